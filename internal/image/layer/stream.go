package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd stream may ask for, in bytes; zstd's own program does not write larger ones
// unless it is told to (--ultra --long).
const maxWindow = 128 << 20

// Decompress reads a layer's archive out of gzip, zstd or nothing; which one, the first bytes tell, because the media
// types that builders write are not always right.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return z, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	default:
		return io.NopCloser(buffered), nil
	}
}

// Ahead reads on while what it has read is used, so that decompression and unpacking share two processors. Close ends it
// and waits for the read under way.
func Ahead(r io.Reader) io.ReadCloser {
	a := &ahead{full: make(chan block, aheadBlocks), free: make(chan []byte, aheadBlocks), stop: make(chan struct{})}
	for range aheadBlocks {
		a.free <- make([]byte, aheadBlock)
	}
	a.reader.Go(func() { a.read(r) })
	return a
}

// aheadBlocks blocks of aheadBlock bytes are read ahead at most.
const (
	aheadBlocks = 4
	aheadBlock  = 256 << 10
)

type ahead struct {
	full   chan block
	free   chan []byte
	stop   chan struct{}
	once   sync.Once
	reader sync.WaitGroup

	now  block // what is being used
	rest []byte
}

type block struct {
	data []byte
	err  error
}

func (a *ahead) read(r io.Reader) {
	defer close(a.full)
	for {
		var data []byte
		select {
		case data = <-a.free:
		case <-a.stop:
			return
		}
		var n int
		var err error
		for n < len(data) && err == nil { // io.ReadFull would give the same error for a stream's end and for a broken one
			var some int
			some, err = r.Read(data[n:])
			n += some
		}
		select {
		case a.full <- block{data[:n], err}:
		case <-a.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.free <- a.now.data[:aheadBlock]
		}
		b, ok := <-a.full
		if !ok {
			return 0, io.ErrClosedPipe
		}
		a.now, a.rest = b, b.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *ahead) Close() error {
	a.once.Do(func() { close(a.stop) })
	a.reader.Wait()
	return nil
}
