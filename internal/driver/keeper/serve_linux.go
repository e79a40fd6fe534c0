package keeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/driver"
)

const (
	// writeTimeout ends the connection of a client that does not read.
	writeTimeout = 10 * time.Second
	// acceptPause is the time between two attempts to accept connections when that fails.
	acceptPause = 100 * time.Millisecond
)

// accept serves connections until the listener is closed.
func (k *keeper) accept() {
	told := false
	for {
		conn, err := k.listen.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, most likely: that passes when containers end
			if !told {
				k.log.Error("the keeper cannot accept connections; it goes on trying", "error", err)
			}
			told = true
			select {
			case <-k.quit:
			case <-time.After(acceptPause):
			}
			continue
		}
		told = false
		if uid, err := peerUID(conn); err != nil || (uid != os.Getuid() && uid != 0) {
			k.log.Warn("a connection is refused", "uid", uid, "error", err)
			_ = conn.Close()
			continue
		}
		k.mu.Lock()
		k.conns[conn] = true
		if k.stopping {
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		}
		k.mu.Unlock()
		k.work.Go(func() { k.serve(conn) })
	}
}

// session is one connection.
type session struct {
	k     *keeper
	conn  *net.UnixConn
	ctx   context.Context // ends with the connection
	calls sync.WaitGroup

	writing sync.Mutex

	mu      sync.Mutex
	cancels map[uint64]context.CancelFunc // of running execs
}

// serve answers a connection's requests, each in a goroutine of its own, until it ends.
func (k *keeper) serve(conn *net.UnixConn) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{k: k, conn: conn, ctx: ctx, cancels: map[uint64]context.CancelFunc{}}
	files := &rights{conn: conn}
	defer files.close()
	r := bufio.NewReader(files)
	for {
		var req request
		if err := readFrame(r, &req); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				k.log.Warn("a connection ends", "error", err)
			}
			break
		}
		s.begin(req, files.take(req.Files))
	}
	cancel()
	s.calls.Wait()
	_ = conn.Close()
	k.mu.Lock()
	delete(k.conns, conn)
	k.mu.Unlock()
}

// begin starts to answer a request. An exec can be cancelled from here on.
func (s *session) begin(req request, files []int) {
	ctx, cancel := s.ctx, context.CancelFunc(func() {})
	s.mu.Lock()
	switch req.Op {
	case opCancel:
		if stop := s.cancels[req.Target]; stop != nil {
			stop()
		}
		s.mu.Unlock()
		closeFiles(files)
		return
	case opExec, opFollow:
		ctx, cancel = context.WithCancel(s.ctx)
		s.cancels[req.Seq] = cancel
	}
	s.mu.Unlock()
	s.calls.Go(func() {
		defer cancel()
		defer closeFiles(files)
		if req.Op == opWatch {
			s.watch(req.Seq)
			return
		}
		resp, err := s.k.do(ctx, req, files)
		resp.Seq, resp.Error = req.Seq, toFailure(err)
		s.send(resp)
		s.mu.Lock()
		delete(s.cancels, req.Seq)
		s.mu.Unlock()
	})
}

// do carries a request out.
func (k *keeper) do(ctx context.Context, req request, files []int) (response, error) {
	switch req.Op {
	case opHello:
		return response{PID: os.Getpid(), Version: Version, Streams: true, Binds: true}, nil
	case opStart:
		status, err := k.start(req.Start)
		return response{Status: &status}, err
	case opSignal:
		return response{}, k.signal(req.ID, req.Signal)
	case opKill:
		return response{}, k.kill(req.ID)
	case opRemove:
		return response{}, k.remove(req.ID)
	case opList:
		return response{All: k.list()}, nil
	case opExec:
		code, err := k.exec(ctx, req, files)
		return response{Exit: code}, err
	case opUsage:
		usage, err := k.usage()
		return response{Usage: usage}, err
	case opLogs:
		files, ended, err := k.logFiles(req.ID)
		return response{Files: files, Ended: ended}, err
	case opFollow:
		if err := k.growth(ctx, req); err != nil {
			return response{}, err
		}
		files, ended, err := k.logFiles(req.ID)
		return response{Files: files, Ended: ended}, err
	case opPlace:
		return k.place(req.ID)
	case opStop:
		return response{}, k.stop()
	}
	return response{}, fmt.Errorf("%q is no operation", req.Op)
}

// send writes a response; a client that does not read it loses its connection.
func (s *session) send(resp response) {
	frame, err := appendFrame(resp)
	if err != nil {
		frame, err = appendFrame(response{Seq: resp.Seq, Error: toFailure(err)})
	}
	if err == nil {
		s.writing.Lock()
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err = s.conn.Write(frame)
		s.writing.Unlock()
	}
	if err != nil {
		_ = s.conn.Close()
	}
}

// watcher collects the changes for one watch. There are at most three for a container, so it needs no bound.
type watcher struct {
	changes []driver.Status // guarded by the keeper's mu
	wake    chan struct{}
}

// notify tells every watcher of a state. The keeper's mu is held.
func (k *keeper) notify(status driver.Status) {
	for w := range k.watchers {
		w.changes = append(w.changes, status)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// watch sends the present state and then all changes, until the connection ends.
func (s *session) watch(seq uint64) {
	w := &watcher{wake: make(chan struct{}, 1)}
	s.k.mu.Lock()
	all := s.k.statuses()
	s.k.watchers[w] = true
	s.k.mu.Unlock()
	defer func() {
		s.k.mu.Lock()
		delete(s.k.watchers, w)
		s.k.mu.Unlock()
	}()
	s.send(response{Seq: seq, All: all})
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-w.wake:
		}
		s.k.mu.Lock()
		changes := w.changes
		w.changes = nil
		s.k.mu.Unlock()
		for i := range changes {
			s.send(response{Seq: seq, Status: &changes[i]})
		}
	}
}
