// Package feed sends a sequence over HTTP as it comes: a line of JSON for each value, and a last one that says that this
// was all, or why not. A sequence that was cut off is known by its lack.
package feed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
)

// ErrCut says that a sequence ended without its end.
var ErrCut = errors.New("the answer was cut off")

// maxLine bounds a line in bytes.
const maxLine = 4 << 20

// line is a value, or the end.
type line[T any] struct {
	Value *T     `json:"v,omitempty"`
	End   bool   `json:"end,omitempty"`
	Error string `json:"error,omitempty"`
}

// Write sends a sequence. What has come is sent before the next value is waited for. It returns when the sequence has
// ended, after the receiver went away at its next value or with ctx, which must end the sequence.
func Write[T any](ctx context.Context, w http.ResponseWriter, values iter.Seq2[T, error]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := make(chan line[T], 256)
	go func() {
		defer close(lines)
		last := line[T]{End: true}
		for v, err := range values {
			if err != nil {
				last = line[T]{Error: err.Error()}
				break
			}
			select {
			case lines <- line[T]{Value: &v}:
			case <-ctx.Done():
				return
			}
		}
		select {
		case lines <- last:
		case <-ctx.Done():
		}
	}()
	err := write(w, lines)
	cancel()
	for range lines { // until the sequence has ended
	}
	return err
}

func write[T any](w http.ResponseWriter, lines <-chan line[T]) error {
	out := bufio.NewWriterSize(w, 32<<10)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	control := http.NewResponseController(w)
	if err := control.Flush(); err != nil { // so that the receiver knows that there is an answer
		return err
	}
	for l := range lines {
		if err := encoder.Encode(l); err != nil {
			return err
		}
		if len(lines) > 0 {
			continue
		}
		if err := errors.Join(out.Flush(), control.Flush()); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Read receives a sequence.
func Read[T any](r io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 4<<10), maxLine)
		for lines.Scan() {
			var l line[T]
			decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
			if err := decoder.Decode(&l); err != nil {
				yield(none, fmt.Errorf("what was answered is no sequence: %w", err))
				return
			}
			switch {
			case l.Error != "":
				yield(none, errors.New(l.Error))
				return
			case l.End:
				return
			case l.Value != nil && !yield(*l.Value, nil):
				return
			}
		}
		err := lines.Err()
		if err == nil {
			err = ErrCut
		}
		yield(none, err)
	}
}
