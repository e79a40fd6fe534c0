package daemon

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/maitred/maitred/internal/issuer"
	"github.com/maitred/maitred/internal/keyfile"
)

// validateACME says what is wrong with the ACME server that was named.
func (c Config) validateACME() error {
	if c.ACMEDirectory == "" {
		if c.ACMEEmail != "" || c.ACMECA != "" {
			return errors.New("--acme-email and --acme-ca belong to --acme-directory, as https://acme-v02.api.letsencrypt.org/directory")
		}
		return nil
	}
	if u, err := url.Parse(c.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--acme-directory %q: it is a URL with https, as https://acme-v02.api.letsencrypt.org/directory", c.ACMEDirectory)
	}
	if a, err := mail.ParseAddress(c.ACMEEmail); c.ACMEEmail != "" && (err != nil || a.Address != c.ACMEEmail) {
		return fmt.Errorf("--acme-email %q: it is an address, as ops@example.com", c.ACMEEmail)
	}
	return nil
}

// startIssuer begins to issue and renew certificates.
func (s *server) startIssuer(ctx context.Context, roles *roles) error {
	config := issuer.Config{
		Store: s.store, Account: s.cfg.Account, IDs: random, Now: time.Now, Sealing: s.sealing, Log: s.cfg.Log,
	}
	if s.cfg.ACMEDirectory != "" {
		a, err := s.cfg.acme()
		if err != nil {
			return err
		}
		config.Authority = a
	}
	roles.run(ctx, "issuer of certificates", func(ctx context.Context) error { return issuer.Run(ctx, config) })
	return nil
}

// acme is the server that was named, with the account of this data directory.
func (c Config) acme() (*issuer.ACME, error) {
	keys, err := keyfile.ReadOrMake(filepath.Join(c.DataDir, "acme.key"))
	if err != nil {
		return nil, fmt.Errorf("the key of the ACME account: %w", err)
	}
	key, err := issuer.AccountKey(keys[0])
	if err != nil {
		return nil, err
	}
	a := &issuer.ACME{Directory: c.ACMEDirectory, Email: c.ACMEEmail, Key: key, Agent: "maitred/" + c.Version}
	if c.ACMECA != "" {
		text, err := os.ReadFile(c.ACMECA)
		if err != nil {
			return nil, fmt.Errorf("--acme-ca: %w", err)
		}
		if a.Roots = x509.NewCertPool(); !a.Roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--acme-ca %s has no certificate in PEM", c.ACMECA)
		}
	}
	return a, nil
}
