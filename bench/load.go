package main

import (
	stdbytes "bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
}

// loaded is what came of it.
type loaded struct {
	requests int
	took     time.Duration
	times    samples // of requests, in seconds
}

func (l *loaded) rate() float64 { return float64(l.requests) / l.took.Seconds() }

const (
	loadHead = "GET /path?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
	bulkHead = "GET " + bulkPath + " HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: bench/1.0\r\n\r\n"
)

// run makes the load. Any request that is not answered with 200 and its whole body is an error.
func (l load) run(ctx context.Context) (*loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, l.lasts)
	defer cancel()
	each := make([]samples, l.conns)
	errs := make([]error, l.conns)
	var clients sync.WaitGroup
	began := time.Now()
	for i := range l.conns {
		clients.Go(func() { each[i], errs[i] = l.client(ctx) })
	}
	clients.Wait()
	sum := &loaded{took: time.Since(began)}
	for _, s := range each {
		sum.requests += len(s)
		sum.times = append(sum.times, s...)
	}
	return sum, errors.Join(errs...)
}

// client sends one request after the other until ctx ends.
func (l load) client(ctx context.Context) (times samples, err error) {
	request := []byte(loadHead + "\r\n")
	if l.fresh {
		request = []byte(loadHead + "Connection: close\r\n\r\n")
	}
	var c *browser
	for ctx.Err() == nil {
		began := time.Now()
		if c == nil {
			if c, err = dialBrowser(context.WithoutCancel(ctx), l.address); err != nil {
				return times, err
			}
		}
		n, err := c.get(request)
		if err == nil && n != answerSize {
			err = fmt.Errorf("a body of %d bytes", n)
		}
		if err != nil {
			return times, errors.Join(fmt.Errorf("request %d at %s: %w", len(times)+1, l.address, err), c.conn.Close())
		}
		times.add(time.Since(began).Seconds())
		if l.fresh {
			_ = c.conn.Close()
			c = nil
		}
	}
	if c != nil {
		_ = c.conn.Close()
	}
	return times, nil
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
