package source

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

type nowhere struct{}

func (nowhere) Put([]metrics.Datum) {}

// answers is a source that answers what it is told to: "" a number, else an error.
type answers struct {
	mu  sync.Mutex
	err string
}

func (a *answers) says(err string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *answers) Read(context.Context) (float64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != "" {
		return 0, errors.New(a.err)
	}
	return 1, nil
}

func (a *answers) Close() error { return nil }

// world is a service and what its events tell.
type world struct {
	*Watcher
	t       *testing.T
	svc     *model.Service
	mu      sync.Mutex
	secrets map[string]string
	told    []string
	numbers int // of events, before those
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{t: t, secrets: map[string]string{}, svc: &model.Service{
		ARN: "arn:aws:ecs:us-east-1:000000000000:service/default/web", Name: "web", Cluster: "arn:aws:ecs:us-east-1:000000000000:cluster/default",
	}}
	w.Watcher = &Watcher{Store: s, Put: nowhere{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Tell: w.note, Secrets: func(*model.Service) Secrets {
		return func(_ context.Context, name string) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if v, ok := w.secrets[name]; ok {
				return v, nil
			}
			return "", errors.New("there is none")
		}
	}}
	return w
}

// note is a Tell.
func (w *world) note(ctx context.Context, service, message string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, message)
	_, err := w.Store.Update(ctx, func(tx *store.Tx) error {
		tx.Put(&model.ServiceEvent{ID: message, Service: service, Number: w.numbers + len(w.told), Message: "(service web) " + message})
		return nil
	})
	return err
}

// tells compares the beginnings of what was told since the last time.
func (w *world) tells(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.told) != len(want) {
		w.t.Fatalf("told: %q, want %q", w.told, want)
	}
	for i, text := range want {
		if !strings.HasPrefix(w.told[i], text) {
			w.t.Errorf("told: %q, want %q", w.told[i], text)
		}
	}
	w.numbers += len(w.told)
	w.told = nil
}

// TestTold: each change of what is wrong is told once, and once that nothing is any more.
func TestTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := &answers{}
		ctx, stop := context.WithCancel(t.Context())
		go w.poll(ctx, w.svc, s)
		time.Sleep(10 * time.Second)
		w.tells()
		for _, x := range []struct{ says, told string }{
			{"connect: refused", "its backlog is not read, and nothing is scaled by it until it is (it is tried again): connect: refused"},
			{"read 127.0.0.1:4711->127.0.0.1:6379: reset", "its backlog is not read, and nothing is scaled by it until it is (it is tried again): read 127.0.0.1:6379: reset"},
			{"read 127.0.0.1:4712->127.0.0.1:6379: reset", ""},
			{"", "its backlog is read again"},
			{"connect: refused", "its backlog is not read"},
		} {
			s.says(x.says)
			time.Sleep(5 * time.Minute)
			if x.told == "" {
				w.tells()
				continue
			}
			w.tells(x.told)
		}
		stop()
		synctest.Wait()
	})
}

// TestToldAfterRestart: who reads on knows what was told, and one failure alone is nothing.
func TestToldAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := &answers{err: "connect: refused"}
		run := func() {
			ctx, stop := context.WithCancel(t.Context())
			go w.poll(ctx, w.svc, s)
			time.Sleep(time.Minute)
			stop()
			synctest.Wait()
		}
		run()
		w.tells("its backlog is not read")
		run()
		w.tells()
		s.says("")
		run()
		w.tells("its backlog is read again")
		ctx, stop := context.WithCancel(t.Context())
		go w.poll(ctx, w.svc, s)
		time.Sleep(1500 * time.Millisecond)
		s.says("once")
		time.Sleep(time.Second)
		s.says("")
		time.Sleep(time.Minute)
		stop()
		w.tells()
	})
}

// TestTagsTold: a wrong tag is told of, and a secret that is missing is waited for.
func TestTagsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tag := func(value string) { w.svc.Tags = []model.Tag{{Key: Tag, Value: value}} }
		tag("mysql://h/db query=x")
		w.read(t.Context(), w.svc)
		w.tells(`its backlog cannot be read, so nothing is scaled by it; correct its tag maitred:backlog: the source of a backlog cannot be "mysql"`)
		w.read(t.Context(), w.svc)
		w.tells()
		tag("json+http://127.0.0.1:1/ value-secret=where")
		opened := make(chan Source)
		go func() { opened <- w.open(t.Context(), w.svc) }()
		time.Sleep(time.Minute)
		w.tells(`its backlog is not read, and nothing is scaled by it until it is (it is tried again): the secret "where" of the backlog's source: there is none`)
		w.mu.Lock()
		w.secrets["where"] = "/a"
		w.mu.Unlock()
		if s := <-opened; s == nil {
			t.Error("a source whose secret has come is not opened")
		}
	})
}

// TestSecretsAreKept: what goes wrong is told without the secrets of the source.
func TestSecretsAreKept(t *testing.T) {
	t.Parallel()
	s := keepsSecret(&answers{err: `Get "http://h/query?query=a+%26+b": a & b: refused`}, &spec{values: map[string]string{"query": "a & b"}, secrets: map[string]string{"query": "name"}})
	if _, err := s.Read(t.Context()); err == nil || err.Error() != `Get "http://h/query?query=(secret)": (secret): refused` {
		t.Errorf("told: %v", err)
	}
}
