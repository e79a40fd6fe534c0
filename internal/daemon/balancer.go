package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/keyfile"
	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/certs"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

const (
	accessLogSize = 64 << 20 // bytes of a file of the access log
	accessLogKeep = 5        // of them
)

// balancerID names this machine's balancer, the same after a restart.
func (c Config) balancerID() (string, error) { return host.ID(c.DataDir) }

func (c Config) balancerDir() string { return filepath.Join(c.DataDir, "balancer") }

// maxTurns is how many balancers of a machine there are at once at most: one serves, the others let their last requests
// end.
const maxTurns = 100

// takeTurn makes this the n-th balancer of the machine, until yield or the end of the process.
func (s *server) takeTurn() (n int, err error) {
	if err := os.MkdirAll(s.cfg.balancerDir(), 0o700); err != nil {
		return 0, fmt.Errorf("make the balancer's directory: %w", err)
	}
	for n := range maxTurns {
		f, err := os.OpenFile(filepath.Join(s.cfg.balancerDir(), fmt.Sprintf("turn.%d", n)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return 0, fmt.Errorf("take a turn as a balancer: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			s.turn = f
			return n, nil
		}
		if err = errors.Join(err, f.Close()); !errors.Is(err, syscall.EWOULDBLOCK) {
			return 0, fmt.Errorf("take a turn as a balancer: %w", err)
		}
	}
	return 0, fmt.Errorf("%d balancers of this machine still let their last requests end", maxTurns)
}

func (s *server) yield() error {
	if s.turn == nil {
		return nil
	}
	// It is not left to closing: a child of this process that has yet to execute its program holds a copy.
	return errors.Join(syscall.Flock(int(s.turn.Fd()), syscall.LOCK_UN), s.turn.Close())
}

// startBalancer begins to serve load balancers, and returns when they are served.
func (s *server) startBalancer(ctx context.Context, roles *roles) error {
	dir := s.cfg.balancerDir()
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
	var line lb.Line // its own, unless the agent of this process has one
	if s.line == nil {
		own := &balancerLine{of: s, begun: make(chan struct{})}
		roles.run(ctx, "line to the balancer", own.run)
		line = own
	}
	name, _ := os.Hostname() // told to people alone
	serving := make(chan struct{})
	b, err := lb.New(lb.Config{
		Store: s.store, ID: id, Host: name, Zone: cmp.Or(s.cfg.Zone, s.cfg.Region+"a"), Version: s.cfg.Version, Dir: dir, AccessLog: log, Secret: keys[len(keys)-1],
		Certificates: certs.New(s.privateKey), Now: time.Now, Random: rand.Uint64, Log: s.cfg.Log, Hurry: s.cfg.Hurry,
		Serving: func() { close(serving) }, Readings: func(f reading.Frame) { s.local.Balancer(&f); s.balancerFeed.Add(f) },
		Peer: s.line, Line: line,
	})
	if err != nil {
		return err
	}
	roles.run(ctx, "balancer", func(ctx context.Context) error { return s.balance(ctx, roles, b) })
	select {
	case <-serving:
		return nil
	case <-ctx.Done():
		return nil // and the roles are ended
	case err := <-roles.failed:
		return err
	}
}

// balance serves load balancers. When another process has taken over, this one has nothing left to do, unless it has
// other roles.
func (s *server) balance(ctx context.Context, roles *roles, b *lb.Balancer) error {
	err := b.Run(ctx)
	if !errors.Is(err, lb.ErrTakenOver) {
		return err
	}
	s.cfg.Log.Warn("another process serves the load balancers of this machine now")
	if !s.cfg.Server && !s.cfg.Agent {
		close(roles.over)
	}
	<-ctx.Done()
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
