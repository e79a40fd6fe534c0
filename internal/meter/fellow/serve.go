package fellow

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"
)

// Path is where a server's box is on the direct line.
const Path = "/v1/metrics/put"

// The headers and parameters of a stream of batches.
const (
	runHeader  = "Maitred-Run"
	runParam   = "run"
	afterParam = "after"
)

// How long a reader may not take a batch, and after how long it is told that there is nothing, so that it knows that the line
// is there.
const (
	writeTimeout = 10 * time.Second
	pulseEvery   = 5 * time.Second
)

// ServeHTTP implements http.Handler of GET ?run=RUN&after=SEQ: the batches that follow, and those to come, as lines of the
// number, a space and JSON, until the reader goes. A reader of another box gets all that there is.
func (b *Box) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, err := strconv.ParseUint(q.Get(afterParam), 10, 63)
	if err != nil || q.Get(runParam) != b.run {
		after = 0
	}
	w.Header().Set(runHeader, b.run)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if out.Flush() != nil {
		return
	}
	pulse := time.NewTicker(pulseEvery)
	defer pulse.Stop()
	for {
		news := b.next() // before it is looked, so that nothing is missed
		found, err := b.after(r.Context(), after)
		if err != nil {
			return // the reader comes again
		}
		var text bytes.Buffer
		for _, x := range found {
			after = x.seq
			text.WriteString(strconv.FormatUint(x.seq, 10) + " ")
			text.Write(x.data)
			text.WriteByte('\n')
		}
		if len(found) == 0 && !wait(r.Context(), news, pulse.C, &text) {
			return
		}
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // where there is none, the connection's end ends it
		if _, err := w.Write(text.Bytes()); err != nil || out.Flush() != nil {
			return
		}
	}
}

// wait waits for more, or until the reader is to be told that there is none: by an empty line.
func wait(ctx context.Context, news <-chan struct{}, pulse <-chan time.Time, text *bytes.Buffer) bool {
	select {
	case <-ctx.Done():
		return false
	case <-news:
	case <-pulse:
		text.WriteByte('\n')
	}
	return true
}
