package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
	"github.com/maitred/maitred/internal/reading"
)

// listenPeer opens this machine's direct line. What is asked on it is registered before it is served.
func (s *server) listenPeer(ctx context.Context) (*peer.Server, error) {
	return peer.Listen(ctx, peer.Config{Address: s.cfg.PeerListen, Advertise: s.cfg.Address, Log: s.cfg.Log})
}

// balancerLine is the direct line of a balancer that shares its process with no agent. It is a lb.Line.
type balancerLine struct {
	of    *server
	begun chan struct{} // closed by Serve

	mu     sync.Mutex
	server *peer.Server // nil until Open
}

// run serves the line once it may be, until ctx ends.
func (b *balancerLine) run(ctx context.Context) error {
	select {
	case <-b.begun:
		return b.opened().Run(ctx)
	case <-ctx.Done():
	}
	if line := b.opened(); line != nil {
		return line.Close()
	}
	return nil
}

func (b *balancerLine) opened() *peer.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.server
}

// Open implements lb.Line. The address may be taken by somebody who hands nothing over, as by the agent of this machine:
// then a free port has to do, and that is said.
func (b *balancerLine) Open(ctx context.Context, before net.Listener) (*model.Peer, error) {
	config := peer.Config{Address: b.of.cfg.PeerListen, Advertise: b.of.cfg.Address, Log: b.of.cfg.Log}
	if before != nil && sameAddress(before.Addr(), config.Address) {
		config.Listener = before
	} else if before != nil {
		if err := before.Close(); err != nil {
			return nil, fmt.Errorf("leave the direct line of the balancer before: %w", err)
		}
	}
	line, err := peer.Listen(ctx, config)
	if errors.Is(err, syscall.EADDRINUSE) {
		b.of.cfg.Log.Warn("the address of the direct line is taken: a server on another machine does not learn what this balancer measures",
			"address", config.Address)
		line, err = peer.Listen(ctx, peer.Config{Log: b.of.cfg.Log})
	}
	if err != nil {
		return nil, err
	}
	line.Handle("GET "+reading.BalancerPath, b.of.balancerFeed)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.server = line
	return new(line.Peer()), nil
}

// sameAddress says whether a listener is at the address that was asked for. One that leaves the port open asks for none.
func sameAddress(at net.Addr, wanted string) bool {
	want, err := net.ResolveTCPAddr("tcp", wanted)
	have, ok := at.(*net.TCPAddr)
	if err != nil || !ok || want.Port == 0 || want.Port != have.Port {
		return false
	}
	return want.IP.Equal(have.IP) || len(want.IP) == 0 && have.IP.IsUnspecified()
}

// Serve implements lb.Line.
func (b *balancerLine) Serve() { close(b.begun) }

// Listener implements lb.Line.
func (b *balancerLine) Listener() net.Listener { return b.opened().Listener() }

// Leave implements lb.Line.
func (b *balancerLine) Leave() error { return b.opened().Leave() } //nolint:wrapcheck // says what it is about

// newCaller calls the agents of all machines that the store knows, this process's own among them.
func (s *server) newCaller() *peer.Caller {
	return peer.NewCaller(func(machine string) *model.Peer {
		m, ok := s.store.View().Machine(machine)
		if !ok || !m.Connected {
			return nil
		}
		return m.Peer
	})
}

// newBalancerCaller calls all balancers that the store knows. A machine's agent and its balancer have the same id.
func (s *server) newBalancerCaller() *peer.Caller {
	return peer.NewCaller(func(id string) *model.Peer {
		r, _, _ := s.store.View().Get(model.BalancerKey(id))
		if b, ok := r.(*model.Balancer); ok && b.Connected {
			return b.Peer
		}
		return nil
	})
}
