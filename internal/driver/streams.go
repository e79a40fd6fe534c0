package driver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
)

// maxOutput is how many bytes of a command's output Output keeps.
const maxOutput = 4 << 10

// Output runs a command in a container by Exec and gives the first 4 KiB of what it wrote, to both streams.
func Output(ctx context.Context, d Driver, id string, command []string) (exitCode int, output []byte, err error) {
	var kept head
	exitCode, err = d.Exec(ctx, id, Exec{Command: command, Stdout: &kept, Stderr: &kept})
	return exitCode, kept, err
}

// head keeps the first bytes that are written to it.
type head []byte

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), maxOutput-len(*h))]...)
	return len(p), nil
}

// ReadLines cuts text into lines of at most MaxLine bytes whose time nobody noted.
func ReadLines(r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		lines := bufio.NewReaderSize(r, MaxLine)
		for {
			text, err := lines.ReadSlice('\n')
			if len(text) > 0 && !yield(Line{Text: bytes.Clone(bytes.TrimSuffix(text, []byte("\n")))}, nil) {
				return
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.Is(err, bufio.ErrBufferFull):
				yield(Line{}, err)
				return
			}
		}
	}
}

// Text joins lines, each with its end.
func Text(lines iter.Seq2[Line, error]) (string, error) {
	var b bytes.Buffer
	for line, err := range lines {
		if err != nil {
			return b.String(), err
		}
		b.Write(line.Text)
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// Failed is a log that cannot be read.
func Failed(err error) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) { yield(Line{}, err) }
}
