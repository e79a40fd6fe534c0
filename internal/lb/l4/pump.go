package l4

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// chunkBytes is what is read at once: more waits than that is bulk, which the kernel may move by itself.
const chunkBytes = 16 << 10

// chunks hands out buffers; none is held by a connection that waits.
type chunks struct{ pool sync.Pool }

func (c *chunks) get() *[]byte {
	if b, ok := c.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, chunkBytes)
	return &b
}

func (c *chunks) put(b *[]byte) { c.pool.Put(b) }

// readError is an error of the side that is read from; all others are those of the side that is written to.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

func isReading(err error) bool {
	_, ok := errors.AsType[readError](err)
	return ok
}

// copyChunks moves bytes through a buffer of its own until src ends.
func copyChunks(dst io.Writer, src io.Reader, moved *atomic.Int64) error {
	buf := make([]byte, chunkBytes)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			moved.Add(int64(n))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return readError{err}
		}
	}
}
