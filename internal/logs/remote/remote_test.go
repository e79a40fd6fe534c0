package remote_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/logs/frame"
	"github.com/maitred/maitred/internal/logs/remote"
)

var group = logs.Group{Region: "eu-west-1", Name: "/app", Created: 1}

func serve(t *testing.T, open remote.Open) (*disk.Store, *remote.Machine) {
	t.Helper()
	store, err := disk.Open(disk.Config{Dir: t.TempDir(), Source: "there"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	mux := http.NewServeMux()
	remote.Register(mux.Handle, store, open)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return store, remote.New(server.Client(), server.URL)
}

// TestSource: what is asked from afar is what is asked here.
func TestSource(t *testing.T) {
	t.Parallel()
	store, machine := serve(t, nil)
	for at := range int64(50) {
		if err := store.Append(group, []string{"a", "b"}[at%2], disk.Batch{
			Ingested: at, Events: []frame.Event{{At: at, Message: "<hello>\n"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []logs.Query{
		{Group: group, To: math.MaxInt64},
		{Group: group, From: 3, To: 9, Reverse: true, Prefix: "a"},
		{Group: group, To: 9, After: &logs.Place{At: 5, Stream: "b", Source: "there", Seq: 2}},
	} {
		read := func(s logs.Source) (list []logs.Event) {
			for e, err := range s.Events(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, e)
			}
			return list
		}
		if diff := cmp.Diff(read(store), read(machine)); diff != "" {
			t.Errorf("%+v (-here +there):\n%s", q, diff)
		}
	}
	want, _ := store.Streams(t.Context(), group, "")
	if got, err := machine.Streams(t.Context(), group, ""); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("Streams = %v, %v, want %v", got, err, want)
	}
	for _, want := range []bool{true, false} {
		if found, err := machine.DeleteStream(t.Context(), group, "a"); found != want || err != nil {
			t.Errorf("DeleteStream = %v, %v, want %v", found, err, want)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 7, time.UTC)
	want := []driver.Line{{At: at, Stream: "stderr", Text: []byte("\xff<>")}, {Text: []byte{}}}
	_, machine := serve(t, func(_ context.Context, task, container string, o driver.LogOptions) (iter.Seq2[driver.Line, error], error) {
		if task != "task" || container != "main" || !o.Follow || !o.Since.Equal(at) {
			return nil, errors.New("there is no such log")
		}
		return func(yield func(driver.Line, error) bool) {
			_ = yield(want[0], nil) && yield(want[1], nil)
		}, nil
	})
	log, err := machine.Lines(t.Context(), "task", "main", driver.LogOptions{Since: at, Follow: true})
	if err != nil {
		t.Fatalf("Lines = %v", err)
	}
	var got []driver.Line
	for line, err := range log {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if _, err := machine.Lines(t.Context(), "other", "main", driver.LogOptions{}); err == nil || !strings.Contains(err.Error(), "there is no such log") {
		t.Errorf("Lines of what is not there = %v, want the machine's reason", err)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	remote.Register(mux.Handle, nil, nil)
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/v1/logs/streams", strings.NewReader("no JSON")),
		httptest.NewRequest(http.MethodPost, "/v1/logs/events", strings.NewReader(`{"from":"x"}`)),
		httptest.NewRequest(http.MethodPost, "/v1/logs/delete", strings.NewReader(`{"stream":"`+strings.Repeat("x", 2<<20))),
		httptest.NewRequest(http.MethodGet, "/v1/lines?since=yesterday", nil),
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s %s = %d, want 400", r.Method, r.URL, w.Code)
		}
	}
}

func TestAway(t *testing.T) {
	t.Parallel()
	machine := remote.New(http.DefaultClient, "http://127.0.0.1:1")
	for _, err := range machine.Events(t.Context(), logs.Query{}) {
		if err == nil {
			t.Error("Events of a machine that is away = nil, want an error")
		}
	}
	if _, err := machine.Streams(t.Context(), group, ""); err == nil {
		t.Error("Streams of a machine that is away = nil, want an error")
	}
}
