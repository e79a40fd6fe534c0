// Package remote is the logs of another machine: a logs.Source, and what a container writes, over the direct line to the
// machine's agent.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/feed"
)

const (
	streamsPath = "/v1/logs/streams"
	eventsPath  = "/v1/logs/events"
	deletePath  = "/v1/logs/delete"
	linesPath   = "/v1/lines"
)

// quickTimeout bounds the calls that are answered at once.
const quickTimeout = 10 * time.Second

// Open opens the log of the newest attempt of a container of a task (ARN).
type Open func(ctx context.Context, task, container string, o driver.LogOptions) (iter.Seq2[driver.Line, error], error)

// Register serves what is kept on this machine.
func Register(handle func(pattern string, h http.Handler), source logs.Source, open Open) {
	handle("POST "+streamsPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in streamsRequest
		if decode(w, r, &in) {
			list, err := source.Streams(r.Context(), in.Group, in.Prefix)
			answer(w, list, err)
		}
	}))
	handle("POST "+deletePath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in deleteRequest
		if decode(w, r, &in) {
			found, err := source.DeleteStream(r.Context(), in.Group, in.Stream)
			answer(w, found, err)
		}
	}))
	handle("POST "+eventsPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q logs.Query
		if decode(w, r, &q) {
			_ = feed.Write(r.Context(), w, source.Events(r.Context(), q)) // it fails when the caller has gone
		}
	}))
	handle("GET "+linesPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { lines(w, r, open) }))
}

type streamsRequest struct {
	Group  logs.Group `json:"group"`
	Prefix string     `json:"prefix"`
}

type deleteRequest struct {
	Group  logs.Group `json:"group"`
	Stream string     `json:"stream"`
}

// maxRequest bounds a request's body in bytes.
const maxRequest = 1 << 20

func decode(w http.ResponseWriter, r *http.Request, in any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // it fails when the caller has gone
}

func lines(w http.ResponseWriter, r *http.Request, open Open) {
	q := r.URL.Query()
	o := driver.LogOptions{Follow: q.Get("follow") == "true"}
	if since := q.Get("since"); since != "" {
		var err error
		if o.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	log, err := open(r.Context(), q.Get("task"), q.Get("container"), o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	_ = feed.Write(r.Context(), w, log) // it fails when the caller has gone
}

// Machine is another machine's logs.
type Machine struct {
	client *http.Client
	url    string // https://ID, without a path
}

var _ logs.Source = (*Machine)(nil)

// New makes a Source of what a machine keeps, which the client reaches at a URL.
func New(client *http.Client, url string) *Machine { return &Machine{client, url} }

// Streams implements logs.Source.
func (m *Machine) Streams(ctx context.Context, g logs.Group, prefix string) (list []logs.Stream, err error) {
	err = m.quick(ctx, streamsPath, streamsRequest{g, prefix}, &list)
	return list, err
}

// DeleteStream implements logs.Source.
func (m *Machine) DeleteStream(ctx context.Context, g logs.Group, stream string) (found bool, err error) {
	err = m.quick(ctx, deletePath, deleteRequest{g, stream}, &found)
	return found, err
}

// Events implements logs.Source.
func (m *Machine) Events(ctx context.Context, q logs.Query) iter.Seq2[logs.Event, error] {
	return func(yield func(logs.Event, error) bool) {
		body, err := m.post(ctx, eventsPath, q)
		if err != nil {
			yield(logs.Event{}, err)
			return
		}
		defer func() { _ = body.Close() }()
		feed.Read[logs.Event](body)(yield)
	}
}

// Lines tells what a container of a task (ARN) writes, as Open does there.
func (m *Machine) Lines(
	ctx context.Context, task, container string, o driver.LogOptions,
) (iter.Seq2[driver.Line, error], error) {
	q := url.Values{"task": {task}, "container": {container}}
	if o.Follow {
		q.Set("follow", "true")
	}
	if !o.Since.IsZero() {
		q.Set("since", o.Since.Format(time.RFC3339Nano))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+linesPath+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	body, err := m.do(req)
	if err != nil {
		return nil, err
	}
	return func(yield func(driver.Line, error) bool) {
		defer func() { _ = body.Close() }()
		feed.Read[driver.Line](body)(yield)
	}, nil
}

// quick makes a call that is answered at once.
func (m *Machine) quick(ctx context.Context, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, quickTimeout)
	defer cancel()
	body, err := m.post(ctx, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return json.NewDecoder(body).Decode(out)
}

func (m *Machine) post(ctx context.Context, path string, in any) (io.ReadCloser, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url+path, bytes.NewReader(text)) //nolint:gosec // the url is a machine of the store
	if err != nil {
		return nil, err
	}
	return m.do(req)
}

func (m *Machine) do(req *http.Request) (io.ReadCloser, error) {
	resp, err := m.client.Do(req) //nolint:gosec // likewise
	if err != nil {
		return nil, fmt.Errorf("ask a machine for its logs: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return nil, errors.Join(fmt.Errorf("%s", bytes.TrimSpace(text)), resp.Body.Close())
}
