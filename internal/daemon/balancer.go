package daemon

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/keyfile"
	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/certs"
	"github.com/maitred/maitred/internal/model"
)

const (
	accessLogSize = 64 << 20 // bytes of a file of the access log
	accessLogKeep = 5        // of them
)

// balancerID names this machine's balancer, the same after a restart.
func (c Config) balancerID() (string, error) { return host.ID(c.DataDir) }

// startBalancer begins to serve load balancers.
func (s *server) startBalancer(ctx context.Context, roles *roles) error {
	dir := filepath.Join(s.cfg.DataDir, "balancer")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the balancer's directory: %w", err)
	}
	id, err := s.cfg.balancerID()
	if err != nil {
		return err
	}
	// Cookies that one balancer sealed are opened by all that have this file.
	keys, err := keyfile.ReadOrMake(filepath.Join(dir, "cookie.key"))
	if err != nil {
		return fmt.Errorf("the key of cookies: %w", err)
	}
	log, err := accesslog.Open(filepath.Join(dir, "access.log"), accessLogSize, accessLogKeep)
	if err != nil {
		return fmt.Errorf("open the access log: %w", err)
	}
	roles.end(log.Close)
	name, _ := os.Hostname() // told to people alone
	b, err := lb.New(lb.Config{
		Store: s.store, ID: id, Host: name, Version: s.cfg.Version, AccessLog: log, Secret: keys[len(keys)-1],
		Certificates: certs.New(s.privateKey), Now: time.Now, Random: rand.Uint64, Log: s.cfg.Log, Hurry: s.cfg.Hurry,
	})
	if err != nil {
		return err
	}
	roles.run(ctx, "balancer", b.Run)
	return nil
}

// privateKey opens the private key of a certificate.
func (s *server) privateKey(c *model.Certificate) ([]byte, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	return keys.OpenFor(c.ARN, c.SealedKey)
}
