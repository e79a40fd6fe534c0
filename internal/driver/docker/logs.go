package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// Logs implements driver.Driver. The daemon keeps up to three files of 10 MB for each container, and the order between
// what it read from standard output and what it read from standard error.
func (d *Driver) Logs(ctx context.Context, id string, _ driver.LogOptions) iter.Seq2[driver.Line, error] {
	return func(yield func(driver.Line, error) bool) {
		log, err := d.openLog(ctx, id)
		if err != nil {
			yield(driver.Line{}, err)
			return
		}
		defer func() { _ = log.Close() }()
		driver.ReadLines(log)(yield)
	}
}

// Sandboxes implements driver.Driver.
func (d *Driver) Sandboxes(context.Context) ([]string, error) { return nil, nil }

// Secure implements driver.Driver.
func (d *Driver) Secure(context.Context, string, []model.FirewallRule) error { return nil }

// Release implements driver.Driver.
func (d *Driver) Release(context.Context, string) error { return nil }

func (d *Driver) openLog(ctx context.Context, id string) (io.ReadCloser, error) {
	c, err := d.inspect(ctx, d.name(id))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(quickTimeout, cancel)
	stream, err := d.client.ContainerLogs(ctx, c.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	late.Stop()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open the log of container %s: %w", id, err)
	}
	return &logReader{demux: demux{from: stream}, stream: stream, cancel: cancel}, nil
}

type logReader struct {
	demux
	stream io.Closer
	cancel context.CancelFunc
}

func (l *logReader) Close() error {
	defer l.cancel()
	return l.stream.Close()
}

// demux reads what was written to the streams that the daemon sends as one: frames of a stream's number, three zeros,
// a length of four bytes and so many bytes.
type demux struct {
	from io.Reader
	left int // of the frame
}

const (
	frameHeader = 8
	frameSystem = 3 // the number of the stream in which the daemon tells of an error of its own
)

func (x *demux) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for x.left == 0 {
		if err := x.nextFrame(); err != nil {
			return 0, err
		}
	}
	n, err := x.from.Read(p[:min(len(p), x.left)])
	x.left -= n
	if errors.Is(err, io.EOF) && x.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (x *demux) nextFrame() error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(x.from, header[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(header[4:])
	switch {
	case header[0] > frameSystem || header[1] != 0 || header[2] != 0 || header[3] != 0:
		return fmt.Errorf("what Docker sent is no frame of a stream: %x", header)
	case header[0] == frameSystem:
		text, _ := io.ReadAll(io.LimitReader(x.from, min(int64(length), maxOutput)))
		return fmt.Errorf("Docker says: %s", text)
	}
	x.left = int(length)
	return nil
}
