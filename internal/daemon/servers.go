package daemon

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/meter/fellow"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// openShared opens what this server is given of metrics for the others.
func (s *server) openShared(ctx context.Context, roles *roles) (err error) {
	s.box, err = fellow.Open(fellow.Config{File: filepath.Join(s.cfg.DataDir, "metrics", "shared.db"), Log: s.cfg.Log})
	if err != nil {
		return err
	}
	roles.end(s.box.Close)
	roles.run(ctx, "metrics for other servers", s.box.Run)
	return nil
}

// given is where what a client puts goes: to the other servers, and into this one's store.
func (s *server) given() metrics.Putter {
	if s.box == nil { // the operations are only listed
		return nil
	}
	return both{s.box, s.metrics}
}

// startShared begins to read what other servers are given, and lets them read here.
func (s *server) startShared(ctx context.Context, roles *roles) error {
	id, err := host.ID(s.cfg.DataDir)
	if err != nil {
		return err
	}
	if s.line == nil {
		line, err := s.listenPeer(ctx)
		if err != nil {
			return err
		}
		if s.balancerFeed != nil {
			line.Handle("GET "+reading.BalancerPath, s.balancerFeed)
		}
		s.openLine(line)
		roles.run(ctx, "line to the server", line.Run)
	}
	s.door.Handle("GET "+fellow.Path, s.box)
	s.door.Handle("GET "+fellow.HistoryPath, &fellow.History{Archive: s.metrics, Log: s.cfg.Log})
	calls := s.newServerCaller()
	roles.end(func() error { calls.Close(); return nil })
	f := &fellow.Follower{
		Store: s.store, Self: id, Box: s.box, Put: s.metrics, Client: calls.Client(), Follows: s.own.Follows, Log: s.cfg.Log,
	}
	roles.run(ctx, "metrics of other servers", f.Run)
	s.fillGap(ctx, roles, id, calls.Client())
	roles.run(ctx, "presence of the server", func(ctx context.Context) error { return s.attend(ctx, id) })
	return nil
}

// memory is how long a server may be away: so long agents and balancers keep what they measure.
const memory = time.Minute

// gap is what was measured while this server was away, and longer than agents and balancers remember: from when until when another
// one is asked for it. What is measured from then on this server measures itself. Without others, or without a gap, both are zero.
//
// One that is there is asked for all until now. Where the others are not, they may come back, but may have been away themselves: what
// agents and balancers remember is not left to them, as then nobody might have it.
func (s *server) gap(now time.Time, id string) (from, to time.Time) {
	from = s.measuredUntil
	if before, ok := readTime(s.missingFile()); ok {
		from = before
	}
	others, there := false, false
	for x := range s.store.View().Servers() {
		if x.ID != id {
			others, there = true, there || isThere(x, now)
		}
	}
	to = now.Truncate(time.Second)
	if !there {
		to = to.Add(-memory)
	}
	if !others || now.Sub(from) < memory || !from.Before(to) {
		return time.Time{}, time.Time{}
	}
	if oldest := now.Add(-metrics.MaxPast); from.Before(oldest) {
		from = oldest
	}
	return from, to
}

// isThere says that a server runs, as far as its record tells: that of one that was killed says that it is connected, but has not
// been written again since.
func isThere(x *model.Server, now time.Time) bool {
	return x.Connected && x.Peer != nil && now.Sub(x.SeenAt) < attendEvery+attendLate
}

func (s *server) missingFile() string { return filepath.Join(s.cfg.DataDir, "metrics", "missing") }

// fillGap has what was measured while this server was away read from another one. That it is missing is written down until it
// is here.
func (s *server) fillGap(ctx context.Context, roles *roles, id string, client *http.Client) {
	file := s.missingFile()
	if s.missing.to.IsZero() {
		return
	}
	if err := os.WriteFile(file, s.missing.from.AppendFormat(nil, time.RFC3339Nano), 0o600); err != nil {
		s.cfg.Log.Warn("that metrics are missing cannot be written down", "error", err)
	}
	f := &fellow.Filler{
		Store: s.store, Self: id, Archive: s.metrics, Client: client, From: s.missing.from, To: s.missing.to, Now: time.Now, Log: s.cfg.Log,
	}
	roles.run(ctx, "missing metrics", func(ctx context.Context) error {
		if err := f.Fill(ctx); err == nil {
			if err := os.Remove(file); err != nil {
				s.cfg.Log.Warn("metrics that are here may be looked for again", "error", err)
			}
		}
		<-ctx.Done()
		return nil
	})
}

// readTime reads a time from a file, false if there is none.
func readTime(file string) (t time.Time, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return t, false
	}
	t, err = time.Parse(time.RFC3339Nano, string(text))
	return t, err == nil
}

// openLine remembers the direct line of this process.
func (s *server) openLine(line *peer.Server) { s.door, s.line = line, new(line.Peer()) }

// How often a server says that it is there, how late it may be with that, and after how long one is forgotten that does not say it:
// what it was given and never told is too old for the others then.
const (
	attendEvery = time.Minute
	attendLate  = 5 * time.Second
	forgetAfter = metrics.MaxPast
)

// attend says that this server is there until ctx ends, and goodbye then. What cannot be said is logged, and said later.
func (s *server) attend(ctx context.Context, id string) error {
	name, _ := os.Hostname() // told to people alone
	me := model.Server{ID: id, Host: name, Version: s.cfg.Version, JoinedAt: time.Now().UTC().Round(0), Peer: s.line}
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	for {
		if err := s.present(ctx, me, true); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("other servers are not told that this one is there", "error", err)
		}
		select {
		case <-ctx.Done():
			s.leave(ctx, me)
			return nil
		case <-tick.C:
		}
	}
}

// leave says goodbye.
func (s *server) leave(ctx context.Context, me model.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := s.present(ctx, me, false); err != nil {
		s.cfg.Log.Debug("other servers are not told that this one goes", "error", err)
	}
}

// present writes this server's record, and removes those of servers that have been away for long.
func (s *server) present(ctx context.Context, me model.Server, connected bool) error {
	me.SeenAt, me.Connected = time.Now().UTC().Round(0), connected
	_, err := s.store.Update(ctx, func(tx *store.Tx) error {
		tx.Put(&me)
		for other := range tx.View().Servers() {
			if other.ID != me.ID && me.SeenAt.Sub(other.SeenAt) > forgetAfter {
				tx.Delete(other.Key())
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the record of this server: %w", err)
	}
	return nil
}

// newServerCaller calls all servers that the store knows.
func (s *server) newServerCaller() *peer.Caller {
	return peer.NewCaller(func(id string) *model.Peer {
		other, ok := s.store.View().Server(id)
		if !ok || !other.Connected {
			return nil
		}
		return other.Peer
	})
}
