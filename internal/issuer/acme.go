package issuer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/maitred/maitred/internal/model"
)

// ACME is an Authority that speaks ACME. The account is the one of Key, which is registered when it is first needed.
type ACME struct {
	Directory string // URL
	Email     string // of who is told of problems; "" for nobody
	Key       *ecdsa.PrivateKey
	Roots     *x509.CertPool // that vouch for the server itself; nil: the system's
	Agent     string         // what the server is told of us
	// Settle is how long balancers have to learn of a proof before it is asked for; 1 s if zero.
	Settle time.Duration
}

const (
	defaultSettle = time.Second
	requestTime   = 30 * time.Second // for one request to the server
	pollTimeout   = 2 * time.Minute  // for the server to check the proofs, and to sign
)

// AccountKey makes the key of an account of 32 random bytes.
func AccountKey(raw []byte) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil { // one of four billion
		return nil, fmt.Errorf("the key of the ACME account: %w", err)
	}
	return key, nil
}

// Obtain implements Authority.
func (a *ACME) Obtain(ctx context.Context, names []string, key crypto.Signer, proofs Proofs) ([]byte, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: a.Roots, MinVersion: tls.VersionTLS12},
	}
	defer transport.CloseIdleConnections()
	client := &acmez.Client{
		Client: &acme.Client{
			Directory: a.Directory, UserAgent: a.Agent, PollTimeout: pollTimeout,
			HTTPClient: &http.Client{Transport: transport, Timeout: requestTime},
		},
		ChallengeSolvers: map[string]acmez.Solver{},
	}
	way := acme.ChallengeTypeHTTP01
	if proofs.OverTLS() {
		way = acme.ChallengeTypeTLSALPN01
	}
	client.ChallengeSolvers[way] = &solver{proofs, a.settle()}
	chain, err := a.order(ctx, client, names, key)
	if err != nil {
		return nil, explain(err)
	}
	return chain, nil
}

func (a *ACME) settle() time.Duration {
	if a.Settle == 0 {
		return defaultSettle
	}
	return a.Settle
}

func (a *ACME) order(ctx context.Context, client *acmez.Client, names []string, key crypto.Signer) ([]byte, error) {
	account := acme.Account{TermsOfServiceAgreed: true, PrivateKey: a.Key}
	if a.Email != "" {
		account.Contact = []string{"mailto:" + a.Email}
	}
	account, err := client.NewAccount(ctx, account) // gives the one that there is for the key
	if err != nil {
		return nil, fmt.Errorf("open the ACME account: %w", err)
	}
	chains, err := client.ObtainCertificateForSANs(ctx, account, key, names)
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the ACME server gave no certificate")
	}
	return chains[0].ChainPEM, nil // the server's own choice
}

// explain makes what the server says an answer of ours.
func explain(err error) error {
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok {
		return err
	}
	r := &RefusalError{Reason: "OTHER", Problem: problem.Error()}
	switch {
	case problem.Type == acme.ProblemTypeCAA:
		r.Reason, r.Final = "CAA_ERROR", true
	case slices.Contains([]string{acme.ProblemTypeRejectedIdentifier, acme.ProblemTypeUnsupportedIdentifier}, problem.Type):
		r.Reason, r.Final = "DOMAIN_NOT_ALLOWED", true
	}
	return r
}

// solver presents proofs.
type solver struct {
	proofs Proofs
	settle time.Duration
}

func (s *solver) Present(ctx context.Context, c acme.Challenge) error {
	return s.proofs.Present(ctx, challenge(c))
}

func (s *solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	return s.proofs.Clear(ctx, challenge(c))
}

// Wait lets the balancers learn of the proof: a server does not ask twice.
func (s *solver) Wait(ctx context.Context, _ acme.Challenge) error {
	select {
	case <-time.After(s.settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func challenge(c acme.Challenge) model.Challenge {
	return model.Challenge{TLS: c.Type == acme.ChallengeTypeTLSALPN01, Name: c.Identifier.Value, Token: c.Token, Answer: c.KeyAuthorization}
}
