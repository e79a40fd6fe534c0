package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// Logs implements driver.Driver. The daemon keeps up to three files of 10 MB for each container, unless its definition
// says otherwise, and the order between what it read from standard output and what it read from standard error. Of log
// drivers that cannot be read back it keeps a copy (dual logging).
func (d *Driver) Logs(ctx context.Context, id string, o driver.LogOptions) iter.Seq2[driver.Line, error] {
	return func(yield func(driver.Line, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, terminal, err := d.openLog(ctx, cancel, id, o)
		if err != nil {
			yield(driver.Line{}, err)
			return
		}
		defer func() { _ = stream.Close() }()
		if terminal {
			err = rawLines(stream, func(l driver.Line) bool { return yield(l, nil) })
		} else {
			err = framedLines(stream, func(l driver.Line) bool { return yield(l, nil) })
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(driver.Line{}, fmt.Errorf("read the log of container %s: %w", id, err))
		}
	}
}

// openLog asks for a log; its header has to come in time, its lines take what they take.
func (d *Driver) openLog(
	ctx context.Context, cancel context.CancelFunc, id string, o driver.LogOptions,
) (stream io.ReadCloser, terminal bool, err error) {
	c, err := d.inspect(ctx, d.name(id))
	if err != nil {
		return nil, false, err
	}
	options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: o.Follow}
	if !o.Since.IsZero() {
		options.Since = o.Since.UTC().Format(time.RFC3339Nano)
	}
	late := time.AfterFunc(d.limits.quick, cancel)
	stream, err = d.client.ContainerLogs(ctx, c.ID, options)
	late.Stop()
	if err != nil {
		return nil, false, fmt.Errorf("open the log of container %s: %w", id, err)
	}
	return stream, c.Config.Tty, nil
}

// errEnough says that whoever reads lines wants no more.
var errEnough = errors.New("enough")

// splitter joins the pieces in which the daemon keeps long lines, up to driver.MaxLine.
type splitter struct {
	stream string
	at     time.Time // of the last piece
	held   []byte
	yield  func(driver.Line) bool
}

// add takes a piece of a line, and its end if whole.
func (s *splitter) add(at time.Time, text []byte, whole bool) error {
	s.at = at
	s.held = append(s.held, text...)
	for len(s.held) > driver.MaxLine {
		if !s.tell(driver.MaxLine) {
			return errEnough
		}
	}
	if whole && !s.tell(len(s.held)) {
		return errEnough
	}
	return nil
}

func (s *splitter) tell(n int) bool {
	line := driver.Line{At: s.at, Stream: s.stream, Text: bytes.Clone(s.held[:n])}
	s.held = append(s.held[:0], s.held[n:]...)
	return s.yield(line)
}

// flush tells what has no end.
func (s *splitter) flush() error {
	if len(s.held) > 0 && !s.tell(len(s.held)) {
		return errEnough
	}
	return nil
}

// framedLines reads the log of a container without a terminal: each frame is a line, or a piece of a long one, after
// the time at which it was read.
func framedLines(from io.Reader, yield func(driver.Line) bool) error {
	x := &demux{from: bufio.NewReaderSize(from, 32<<10)}
	streams := map[byte]*splitter{
		frameOut: {stream: "stdout", yield: yield}, frameErr: {stream: "stderr", yield: yield},
	}
	for {
		err := x.nextFrame()
		switch {
		case errors.Is(err, io.EOF):
			return errors.Join(streams[frameOut].flush(), streams[frameErr].flush())
		case err != nil:
			return err
		case x.left > maxFrame:
			return fmt.Errorf("Docker sent a piece of a line of %d bytes", x.left)
		}
		frame := make([]byte, x.left)
		if _, err := io.ReadFull(x, frame); err != nil {
			return err
		}
		s := streams[x.stream]
		if s == nil {
			s = streams[frameOut]
		}
		at, text := timed(frame, s.at)
		text, whole := bytes.CutSuffix(text, []byte("\n"))
		if err := s.add(at, text, whole); err != nil {
			return err
		}
	}
}

// maxFrame bounds what is taken for a piece of a line: the daemon's are of 16 KiB.
const maxFrame = 1 << 20

// longestTime bounds a time as the daemon writes it.
const longestTime = 40

// timed cuts a time and a space off the begin of a text; a text without has the time of what came before.
func timed(text []byte, before time.Time) (time.Time, []byte) {
	word, _, found := bytes.Cut(text[:min(len(text), longestTime)], []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(word))
	if !found || err != nil {
		return before, text
	}
	return at, text[len(word)+1:]
}

// rawLines reads the log of a container with a terminal: lines that begin with a time. The pieces of a long line follow
// each other without an end between them, each with a time of its own.
func rawLines(from io.Reader, yield func(driver.Line) bool) error {
	r := bufio.NewReaderSize(from, 32<<10)
	s := &splitter{yield: yield}
	for {
		at, text, whole, err := piece(r, s.at)
		if len(text) > 0 || whole {
			if err := s.add(at, text, whole); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return s.flush()
		case err != nil:
			return err
		}
	}
}

// piece reads to the end of a line, or as much as the daemon keeps together.
func piece(r *bufio.Reader, before time.Time) (at time.Time, text []byte, whole bool, err error) {
	at = before
	for begun := false; len(text) < driver.MaxLine || !begun; {
		b, err := r.ReadByte()
		if err != nil {
			return at, text, false, err
		}
		if b == '\n' {
			return at, bytes.TrimSuffix(text, []byte("\r")), true, nil
		}
		text = append(text, b)
		if !begun && (b == ' ' || len(text) > longestTime) {
			at, text = timed(text, before)
			begun = true
		}
	}
	return at, text, false, nil
}

// demux reads what was written to the streams that the daemon sends as one: frames of a stream's number, three zeros,
// a length of four bytes and so many bytes.
type demux struct {
	from   io.Reader
	stream byte // of the frame
	left   int  // of the frame
}

const (
	frameHeader = 8
	frameOut    = 1
	frameErr    = 2
	frameSystem = 3 // the number of the stream in which the daemon tells of an error of its own
)

// maxSaid bounds what the daemon may say of an error of its own.
const maxSaid = 4 << 10

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
		text, _ := io.ReadAll(io.LimitReader(x.from, min(int64(length), maxSaid)))
		return fmt.Errorf("Docker says: %s", text)
	}
	x.stream, x.left = header[0], int(length)
	return nil
}

// copyTo writes each stream to its own writer until the end; nil drops it. A writer that fails is written to no more,
// for who produces the rest shall not be kept waiting.
func (x *demux) copyTo(stdout, stderr io.Writer) error {
	to := map[byte]io.Writer{frameOut: stdout, frameErr: stderr}
	buf := make([]byte, 32<<10)
	for {
		n, err := x.Read(buf)
		if w := to[x.stream]; w != nil && n > 0 {
			if _, failed := w.Write(buf[:n]); failed != nil {
				to[x.stream] = nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
