package daemon

import (
	"context"
	"errors"
	"syscall"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
	"github.com/maitred/maitred/internal/reading"
)

// listenPeer opens this machine's direct line. What is asked on it is registered before it is served.
func (s *server) listenPeer(ctx context.Context) (*peer.Server, error) {
	return peer.Listen(ctx, peer.Config{Address: s.cfg.PeerListen, Advertise: s.cfg.Address, Log: s.cfg.Log})
}

// startLine opens and serves a line for a balancer that shares its process with no agent. While an older balancer lets its
// last requests end, that one still has the address: then a free port has to do.
func (s *server) startLine(ctx context.Context, roles *roles) (*model.Peer, error) {
	line, err := s.listenPeer(ctx)
	if errors.Is(err, syscall.EADDRINUSE) {
		s.cfg.Log.Warn("the address of the direct line is taken: a server on another machine does not learn what this balancer measures",
			"address", s.cfg.PeerListen)
		line, err = peer.Listen(ctx, peer.Config{Log: s.cfg.Log})
	}
	if err != nil {
		return nil, err
	}
	line.Handle("GET "+reading.BalancerPath, s.balancerFeed)
	roles.run(ctx, "line to the balancer", line.Run)
	return new(line.Peer()), nil
}

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
