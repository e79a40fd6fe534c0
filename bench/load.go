package main

import (
	stdbytes "bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// load is requests of one kind, on some connections for some time.
type load struct {
	address string
	conns   int
	fresh   bool // a connection for each request
	lasts   time.Duration
	// every is the time from one request of a connection to the next; zero: each follows the answer to the one before.
	// With it the time of a request counts from when it should have been sent.
	every time.Duration
	// counts has failures counted; otherwise the first one ends the load with an error.
	counts bool
}

// loaded is what came of it.
type loaded struct {
	requests int // that were answered
	failed   int
	first    error // of those that failed
	took     time.Duration
	times    samples // of requests, in seconds
}

func (l *loaded) rate() float64 { return float64(l.requests) / l.took.Seconds() }

const (
	loadHead = "GET /path?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
	bulkHead = "GET " + bulkPath + " HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: bench/1.0\r\n\r\n"
)

// run makes the load. A request that is not answered with 200 and its whole body has failed.
func (l load) run(ctx context.Context) (*loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, l.lasts)
	defer cancel()
	all := make([]caller, l.conns)
	var clients sync.WaitGroup
	began := time.Now()
	for i := range all {
		all[i].load = l
		clients.Go(func() { all[i].run(ctx) })
	}
	clients.Wait()
	sum := &loaded{took: time.Since(began)}
	for i := range all {
		sum.requests += len(all[i].times)
		sum.times = append(sum.times, all[i].times...)
		sum.failed += all[i].failed
		sum.first = cmp.Or(sum.first, all[i].err)
	}
	if l.counts {
		return sum, nil
	}
	return sum, sum.first
}

// caller is one connection of a load, or one after the other.
type caller struct {
	load
	at     *browser // nil: none is open
	times  samples
	failed int
	err    error // the first
}

// run sends one request after the other until ctx ends.
func (c *caller) run(ctx context.Context) {
	request := []byte(loadHead + "\r\n")
	if c.fresh {
		request = []byte(loadHead + "Connection: close\r\n\r\n")
	}
	defer c.hangUp()
	for began := range c.beats(ctx) {
		if err := c.ask(context.WithoutCancel(ctx), request); err != nil {
			c.failed++
			c.err = cmp.Or(c.err, fmt.Errorf("request %d at %s: %w", len(c.times)+c.failed, c.address, err))
			c.hangUp()
			if !c.counts {
				return
			}
			continue
		}
		c.times.add(time.Since(began).Seconds())
		if c.fresh {
			c.hangUp()
		}
	}
}

func (c *caller) hangUp() {
	if c.at != nil {
		_ = c.at.conn.Close()
	}
	c.at = nil
}

// ask sends one request, on a new connection if there is none.
func (c *caller) ask(ctx context.Context, request []byte) (err error) {
	if c.at == nil {
		if c.at, err = dialBrowser(ctx, c.address); err != nil {
			return err
		}
	}
	n, err := c.at.get(request)
	if err == nil && n != answerSize {
		err = fmt.Errorf("a body of %d bytes", n)
	}
	return err
}

// beats gives the times at which requests are to be sent, each when it has come.
func (l load) beats(ctx context.Context) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		at := time.Now().Add(rand.N(max(l.every, 1)))
		for ctx.Err() == nil {
			if l.every == 0 {
				at = time.Now()
			}
			time.Sleep(time.Until(at))
			if !yield(at) {
				return
			}
			at = at.Add(l.every)
		}
	}
}

// browser is a connection of a client that reads no more of an answer than it needs.
type browser struct {
	conn net.Conn
	buf  []byte
}

func dialBrowser(ctx context.Context, address string) (*browser, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return &browser{conn: c, buf: make([]byte, 8<<10)}, nil
}

// get sends a request and reads the answer; it gives the length of its body.
func (b *browser) get(request []byte) (int, error) {
	if _, err := b.conn.Write(request); err != nil {
		return 0, err
	}
	n, head := 0, 0
	for head == 0 {
		m, err := b.conn.Read(b.buf[n:])
		if err != nil {
			return 0, err
		}
		n += m
		if i := stdbytes.Index(b.buf[:n], []byte("\r\n\r\n")); i >= 0 {
			head = i + 4
		}
	}
	length, err := judgeHead(b.buf[:head])
	if err != nil {
		return 0, err
	}
	left := int64(length - (n - head))
	for left > 0 && left <= int64(len(b.buf)) {
		m, err := b.conn.Read(b.buf)
		if err != nil {
			return 0, err
		}
		left -= int64(m)
	}
	if left > 0 {
		_, err = io.CopyBuffer(onlyWriter{io.Discard}, io.LimitReader(b.conn, left), make([]byte, 256<<10))
	}
	return length, err
}

// onlyWriter hides what else a writer can do, so that the given buffer is used.
type onlyWriter struct{ io.Writer }

// judgeHead gives Content-Length of an answer with 200.
func judgeHead(head []byte) (int, error) {
	if !stdbytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return 0, fmt.Errorf("it is answered with %q", head[:min(len(head), 80)])
	}
	for _, name := range []string{"\nContent-Length: ", "\ncontent-length: "} {
		if _, rest, ok := stdbytes.Cut(head, []byte(name)); ok {
			value, _, _ := stdbytes.Cut(rest, []byte("\r"))
			return strconv.Atoi(string(value))
		}
	}
	return 0, fmt.Errorf("the answer has no length: %q", head)
}
