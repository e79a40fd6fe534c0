package keeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/maitred/maitred/internal/driver"
)

// ErrBroken is wrapped by the errors of calls whose connection broke: the call may or may not have been carried out.
var ErrBroken = errors.New("the connection to the keeper broke")

// Client is a connection to a keeper. All methods may be called at the same time from several goroutines; their
// requests are pipelined.
type Client struct {
	dir  string
	pid  int
	conn net.Conn
	// streams says that the keeper takes an exec's streams.
	streams bool
	// binds says that the keeper mounts a runtime's Binds.
	binds bool
	done  chan struct{} // closed when the reader has ended

	writing sync.Mutex // held while a frame is written

	mu      sync.Mutex
	seq     uint64
	pending map[uint64]chan response
	broken  error // why no more can be asked, nil while it can
}

// Dial connects to the keeper of a directory.
func Dial(ctx context.Context, dir string) (*Client, error) {
	conn, err := dial(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("connect to the keeper of %s: %w", dir, err)
	}
	c := &Client{dir: dir, conn: conn, done: make(chan struct{}), pending: map[uint64]chan response{}}
	go c.read()
	hello, err := c.call(ctx, request{Op: opHello})
	if err == nil && hello.Version != Version {
		err = fmt.Errorf("the keeper %d speaks version %d of the protocol, this program %d: stop it with the program "+
			"that started it", hello.PID, hello.Version, Version)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	c.pid, c.streams, c.binds = hello.PID, hello.Streams, hello.Binds
	return c, nil
}

// PID is the keeper's process id.
func (c *Client) PID() int { return c.pid }

// Close ends the connection and waits for its reader. The keeper and what it keeps run on.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Broken is closed when the connection has ended.
func (c *Client) Broken() <-chan struct{} { return c.done }

// read hands each response to who waits for it, until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	r := bufio.NewReader(c.conn)
	for {
		var resp response
		if err := readFrame(r, &resp); err != nil {
			c.fail(err)
			return
		}
		c.mu.Lock()
		ch := c.pending[resp.Seq]
		delete(c.pending, resp.Seq)
		c.mu.Unlock()
		if ch != nil {
			ch <- resp
		}
	}
}

// fail ends the connection and tells everybody who waits.
func (c *Client) fail(err error) {
	_ = c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = fmt.Errorf("%w: %w", ErrBroken, err)
	}
	for seq, ch := range c.pending {
		close(ch)
		delete(c.pending, seq)
	}
}

// send sends a request, with the descriptors of streams unless they are nil, and returns where its response comes; that
// is closed when the connection breaks.
func (c *Client) send(req request, s *streams) (uint64, chan response, error) {
	ch := make(chan response, 1)
	c.mu.Lock()
	if c.broken != nil {
		defer c.mu.Unlock()
		return 0, nil, c.broken
	}
	c.seq++
	req.Seq = c.seq
	c.pending[req.Seq] = ch
	c.mu.Unlock()
	if err := c.write(req, s); err != nil {
		c.forget(req.Seq)
		return 0, nil, err
	}
	return req.Seq, ch, nil
}

func (c *Client) write(req request, s *streams) error {
	frame, err := appendFrame(req)
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	var files []int
	if s != nil {
		files = s.theirs
		defer s.handedOver()
	}
	if err := writeFrame(c.conn, frame, files); err != nil {
		_ = c.conn.Close()
		<-c.done // whoever sees the error finds the connection broken, and makes another
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return nil
}

func (c *Client) forget(seq uint64) {
	c.mu.Lock()
	delete(c.pending, seq)
	c.mu.Unlock()
}

// call sends a request and waits for its response.
func (c *Client) call(ctx context.Context, req request) (response, error) {
	return c.callWith(ctx, req, nil)
}

// callWith is call for a request that hands streams over.
func (c *Client) callWith(ctx context.Context, req request, s *streams) (response, error) {
	seq, ch, err := c.send(req, s)
	if err != nil {
		return response{}, err
	}
	select {
	case resp, ok := <-ch:
		return c.answer(resp, ok)
	case <-ctx.Done():
		c.forget(seq)
		if req.Op == opExec || req.Op == opFollow {
			_ = c.write(request{Op: opCancel, Target: seq}, nil) // when that fails, the broken connection cancels it
		}
		return response{}, ctx.Err()
	}
}

func (c *Client) answer(resp response, ok bool) (response, error) {
	if ok {
		return resp, resp.Error.err()
	}
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return response{}, c.broken
}

// Start runs a program. It returns once the program has been executed; for an id that is known already, it returns the
// state of that. The error is a *driver.Failure when the program cannot be run.
func (c *Client) Start(ctx context.Context, spec Spec) (driver.Status, error) {
	if !c.binds && spec.Runtime != nil && len(spec.Runtime.Binds) > 0 {
		return driver.Status{}, cannotCreate("the keeper %d is of an older version, which mounts no paths of the machine safely; "+
			"it ends when no container runs", c.pid)
	}
	resp, err := c.call(ctx, request{Op: opStart, ID: spec.ID, Start: &spec})
	if err != nil {
		return driver.Status{}, err
	}
	if resp.Status == nil {
		return driver.Status{}, fmt.Errorf("%w: a start was answered without a status", ErrBroken)
	}
	return *resp.Status, nil
}

// Signal sends a signal by name, "" for the container's stop signal, to all of a container.
func (c *Client) Signal(ctx context.Context, id, signal string) error {
	_, err := c.call(ctx, request{Op: opSignal, ID: id, Signal: signal})
	return err
}

// Kill kills all of a container. It returns once the signals are sent; the end shows in Watch.
func (c *Client) Kill(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{Op: opKill, ID: id})
	return err
}

// Remove forgets an ended container and deletes its log.
func (c *Client) Remove(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{Op: opRemove, ID: id})
	return err
}

// List tells the state of every container that is known.
func (c *Client) List(ctx context.Context) ([]driver.Status, error) {
	resp, err := c.call(ctx, request{Op: opList})
	return resp.All, err
}

// Place tells the pid of a running container's first process, and the directory that its program began in, "" of one
// that a runtime runs. The pid means that process as long as another call says the same.
func (c *Client) Place(ctx context.Context, id string) (pid int, dir string, err error) {
	resp, err := c.call(ctx, request{Op: opPlace, ID: id})
	return resp.PID, resp.Dir, err
}

// Usage measures the running containers.
func (c *Client) Usage(ctx context.Context) (map[string]driver.Usage, error) {
	resp, err := c.call(ctx, request{Op: opUsage})
	return resp.Usage, err
}

// Stop ends the keeper. It fails while a container runs. It returns when the keeper has closed the connection.
func (c *Client) Stop(ctx context.Context) error {
	if _, err := c.call(ctx, request{Op: opStop}); err != nil {
		return err
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Watch calls changed with the present state of all containers and then with every change, until ctx ends or the
// connection breaks; the error says which. It uses a connection of its own.
func Watch(ctx context.Context, dir string, changed func(driver.Status)) error {
	conn, err := dial(ctx, dir)
	if err != nil {
		return fmt.Errorf("connect to the keeper of %s: %w", dir, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() { stop(); _ = conn.Close() }()
	frame, err := appendFrame(request{Seq: 1, Op: opWatch})
	if err != nil {
		return err
	}
	if _, err = conn.Write(frame); err == nil {
		err = follow(conn, changed)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}

// follow reads a watch until it ends.
func follow(conn net.Conn, changed func(driver.Status)) error {
	r := bufio.NewReader(conn)
	for {
		var resp response
		if err := readFrame(r, &resp); err != nil {
			return err
		}
		if err := resp.Error.err(); err != nil {
			return err
		}
		for _, status := range resp.All {
			changed(status)
		}
		if resp.Status != nil {
			changed(*resp.Status)
		}
	}
}
