package daemon

import (
	"context"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
)

// listenPeer opens this machine's direct line. What is asked on it is registered before it is served.
func (s *server) listenPeer(ctx context.Context) (*peer.Server, error) {
	return peer.Listen(ctx, peer.Config{Address: s.cfg.PeerListen, Advertise: s.cfg.Address, Log: s.cfg.Log})
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
