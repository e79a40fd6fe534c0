package reading

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// lineMax bounds a frame in bytes: some hundred thousand routes.
const lineMax = 64 << 20

// Cursor is how far a reader has come. The zero value is the beginning of what is kept.
type Cursor struct {
	Run string // of the process that measures
	Seq uint64 // of the last frame that was read
}

// ErrRefused says that there are no readings where they were looked for.
var ErrRefused = errors.New("it does not serve readings")

// Follow reads frames from where the cursor is, and moves it, until ctx or the stream ends: it always gives an error. Frames
// that were missed for good show in their numbers.
func Follow(ctx context.Context, client *http.Client, address string, c *Cursor, each func(Frame)) error {
	q := url.Values{}
	if c.Run != "" {
		q.Set(runParam, c.Run)
		q.Set(afterParam, strconv.FormatUint(c.Seq, 10))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return fmt.Errorf("read measurements: %w", err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("read measurements: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("read measurements: %w (%s)", ErrRefused, answer.Status)
	}
	if run := answer.Header.Get(runHeader); run != c.Run {
		*c = Cursor{Run: run}
	}
	return frames(answer.Body, c, each)
}

// frames reads lines to their end.
func frames(from io.Reader, c *Cursor, each func(Frame)) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMax)
	for lines.Scan() {
		f, err := Decode(lines.Bytes())
		if err != nil {
			return err
		}
		if f.Seq <= c.Seq {
			continue // it was read before
		}
		c.Seq = f.Seq
		each(f)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read measurements: %w", err)
	}
	return io.EOF
}
