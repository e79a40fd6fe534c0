package reading

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// kept is how many frames a Feed keeps: those of the last minute, and some that a reader may be behind.
const kept = 75

// writeTimeout bounds how long a reader may not take a frame; then it has to come again.
const writeTimeout = 10 * time.Second

// The headers and parameters of a stream of frames.
const (
	runHeader  = "Maitred-Run"
	runParam   = "run"
	afterParam = "after"
)

// Feed keeps the frames of the last minute and serves them. It is an http.Handler of GET ?run=RUN&after=SEQ: the frames
// that follow, and those to come, as lines of JSON, until the reader goes. A reader of another run gets all there are.
type Feed struct {
	run string

	mu     sync.Mutex
	seq    uint64
	frames [kept][]byte  // by Seq modulo kept
	news   chan struct{} // closed by the next frame
}

// NewFeed makes a feed; run is another text at each start of the process.
func NewFeed(run string) *Feed { return &Feed{run: run, news: make(chan struct{})} }

// Add numbers a frame and tells all readers.
func (f *Feed) Add(frame Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	frame.Seq = f.seq + 1
	text, err := Encode(&frame)
	if err != nil {
		return // a number that JSON does not have: nothing was measured
	}
	f.seq = frame.Seq
	f.frames[f.seq%kept] = text
	close(f.news)
	f.news = make(chan struct{})
}

// next gives the first frame after one, if it is there, and else what is closed when it is. Frames that are not kept any
// more are skipped.
func (f *Feed) next(after uint64) (text []byte, seq uint64, news <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if after >= f.seq {
		return nil, after, f.news
	}
	seq = after + 1
	if f.seq > kept {
		seq = max(seq, f.seq-kept+1)
	}
	return f.frames[seq%kept], seq, nil
}

// ServeHTTP implements http.Handler.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, err := strconv.ParseUint(q.Get(afterParam), 10, 64)
	if err != nil || q.Get(runParam) != f.run {
		after = 0
	}
	w.Header().Set(runHeader, f.run)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if out.Flush() != nil {
		return
	}
	for {
		text, seq, news := f.next(after)
		if text == nil {
			if !wait(r.Context(), news) {
				return
			}
			continue
		}
		after = seq
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // where there is none, the connection's end ends it
		if _, err := w.Write(text); err != nil || out.Flush() != nil {
			return
		}
	}
}

func wait(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}
