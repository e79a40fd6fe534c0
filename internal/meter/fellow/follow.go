package fellow

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Follower reads the boxes of all other servers that the store knows.
type Follower struct {
	Store *store.Store
	// Self is this server's id, and Box its own, which remembers how far the others were read.
	Self string
	Box  *Box
	// Put takes what the others were given. It may be called by several goroutines.
	Put metrics.Putter
	// Client calls the server that has the id of the URL's host on its direct line (peer.Caller).
	Client *http.Client
	// Follows is told whether a server's box is read now; nil: nobody.
	Follows func(server string, now bool)
	Log     *slog.Logger
}

// Run reads until ctx ends, and gives nil then.
func (f *Follower) Run(ctx context.Context) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher := f.Store.Watch(model.KindServer)
	defer watcher.Close()
	running := map[string]context.CancelFunc{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.C():
		}
		_, _, view := watcher.Snapshot()
		f.follow(ctx, view, running, &readers)
	}
}

// follow has one reader for each other server that is there. One that said goodbye is not read; what it was given last it
// tells when it is back.
func (f *Follower) follow(ctx context.Context, view *store.View, running map[string]context.CancelFunc, readers *sync.WaitGroup) {
	present := map[string]bool{}
	for s := range view.Servers() {
		if s.ID != f.Self && s.Connected && s.Peer != nil {
			present[s.ID] = true
		}
	}
	for id, stop := range running {
		if !present[id] {
			stop()
			delete(running, id)
		}
	}
	for id := range present {
		if running[id] == nil {
			each, stop := context.WithCancel(ctx)
			running[id] = stop
			readers.Go(func() { f.read(each, id) })
		}
	}
}

// The pauses between two attempts to read, and how long a stream may be silent.
const (
	pauseFirst = 250 * time.Millisecond
	pauseMost  = 5 * time.Second
	silence    = 3 * pulseEvery
)

// read reads the box of a server, again and again, until ctx ends.
func (f *Follower) read(ctx context.Context, server string) {
	pause, warned := pauseFirst, false
	for ctx.Err() == nil {
		some, err := f.stream(ctx, server)
		f.follows(server, false)
		if some {
			pause, warned = pauseFirst, false
		}
		f.Log.Debug("the metrics of another server are not read", "server", server, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if pause = min(2*pause, pauseMost); pause == pauseMost && !warned {
			warned = true
			f.Log.Warn("the metrics that another server is given cannot be read (on another machine, it needs --peer-listen)",
				"server", server, "error", err)
		}
	}
}

func (f *Follower) follows(server string, now bool) {
	if f.Follows != nil {
		f.Follows(server, now)
	}
}

// ErrRefused says that a server has no box where it was looked for.
var ErrRefused = errors.New("it does not tell what it was given")

// stream reads until the stream ends or is silent: it always gives an error. It says whether the box was reached.
func (f *Follower) stream(ctx context.Context, server string) (reached bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	run, seq, err := f.Box.cursor(ctx, server)
	if err != nil {
		return false, err
	}
	q := url.Values{runParam: {run}, afterParam: {strconv.FormatUint(seq, 10)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+Path+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return false, err
	}
	answer, err := f.Client.Do(r)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	now := answer.Header.Get(runHeader)
	if answer.StatusCode != http.StatusOK || now == "" {
		return false, fmt.Errorf("%w (%s)", ErrRefused, answer.Status)
	}
	if now != run {
		seq = 0
	}
	f.follows(server, true)
	return true, f.lines(ctx, answer.Body, cursor{server, now, seq}, func() { watchdog.Reset(silence) })
}

// cursor is how far a box was read.
type cursor struct {
	server, run string
	seq         uint64
}

// lineMax bounds a batch in bytes: PutMetricData takes a thousand measurements of 150 values each.
const lineMax = 64 << 20

// lines reads batches to the end, and puts each once. That one was read is written down first: when this process is killed in
// between, a batch is lost to this server, and none is counted twice.
func (f *Follower) lines(ctx context.Context, from io.Reader, c cursor, alive func()) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMax)
	for lines.Scan() {
		alive()
		if len(lines.Bytes()) == 0 {
			continue
		}
		seq, data, err := parse(lines.Bytes())
		if err != nil {
			return err
		}
		if seq <= c.seq {
			continue // it was read before
		}
		// Who is told to end in the middle of it would not know whether it was written down, and lose the batch if it was.
		if err := f.Box.move(context.WithoutCancel(ctx), c.server, c.run, seq); err != nil {
			return err
		}
		c.seq = seq
		f.Put.Put(data)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}

// parse reads a line.
func parse(line []byte) (seq uint64, data []metrics.Datum, err error) {
	number, text, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return 0, nil, errors.New("a batch of metrics has no number")
	}
	if seq, err = strconv.ParseUint(string(number), 10, 63); err != nil {
		return 0, nil, fmt.Errorf("the number of a batch of metrics: %w", err)
	}
	if err := json.Unmarshal(text, &data); err != nil {
		return 0, nil, fmt.Errorf("a batch of metrics: %w", err)
	}
	return seq, data, nil
}
