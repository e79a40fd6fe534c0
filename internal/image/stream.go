package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// verified checks that what is read is what a digest says. It closes r if the digest is of no known kind.
func verified(r io.ReadCloser, want v1.Hash, size int64) (io.ReadCloser, error) {
	if want.Algorithm != "sha256" {
		_ = r.Close()
		return nil, fmt.Errorf("%w: a digest by %.20q", errUnsupported, want.Algorithm)
	}
	return &verifier{ReadCloser: r, sum: sha256.New(), want: want.Hex, left: size}, nil
}

type verifier struct {
	io.ReadCloser
	sum  hash.Hash
	want string // in hex
	left int64  // bytes that are still to come
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.left -= int64(n)
	if v.left < 0 {
		return 0, fmt.Errorf("%w: more came of sha256:%s than its size", errCorrupt, v.want)
	}
	_, _ = v.sum.Write(p[:n])
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if v.left > 0 {
		return n, fmt.Errorf("%w: the last %d bytes of sha256:%s are missing", errCorrupt, v.left, v.want)
	}
	if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want {
		return n, fmt.Errorf("%w: what came as sha256:%s is sha256:%s", errCorrupt, v.want, got)
	}
	return n, io.EOF
}

// maxBreaks is how often in a row a download may break without a byte in between.
const maxBreaks = 4

// resuming goes on with a download that broke, from where it was.
type resuming struct {
	ctx    context.Context
	body   io.ReadCloser
	open   func(from int64) (io.ReadCloser, error)
	wait   time.Duration // before the first time that it is tried again, twice as long before each next
	size   int64         // of all
	done   int64
	breaks int
}

func (r *resuming) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.done += int64(n)
		if n > 0 {
			r.breaks = 0
			return n, nil // an error comes again with the next read, or is mended by it
		}
		switch {
		case err == nil:
			return 0, nil
		case errors.Is(err, io.EOF) && r.done >= r.size:
			return 0, io.EOF
		case r.ctx.Err() != nil:
			return 0, context.Cause(r.ctx)
		}
		if err := r.again(err); err != nil {
			return 0, err
		}
	}
}

// again opens the download anew after an error; it gives that error once it has been tried often enough.
func (r *resuming) again(broken error) error {
	_ = r.body.Close()
	for ; r.breaks < maxBreaks; r.breaks++ {
		timer := time.NewTimer(r.wait << r.breaks)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
			return context.Cause(r.ctx)
		}
		body, err := r.open(r.done)
		if err == nil {
			r.breaks++
			r.body = body
			return nil
		}
		if !isUnreachable(err) && !errors.Is(err, io.EOF) {
			break // for example the range of a blob that is shorter in truth
		}
	}
	if errors.Is(broken, io.EOF) {
		return fmt.Errorf("%w: a download ended after %d of %d bytes", errCorrupt, r.done, r.size)
	}
	return broken
}

func (r *resuming) Close() error { return r.body.Close() }

// counted tells how far a download is, and ends with its context.
type counted struct {
	ctx  context.Context
	r    io.Reader
	tell func(done int64)
	done int64
	told int64
}

// tellStep is after how many bytes progress is told.
const tellStep = 512 << 10

func (c *counted) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.r.Read(p)
	c.done += int64(n)
	if c.done-c.told >= tellStep {
		c.told = c.done
		c.tell(c.done)
	}
	return n, err
}
