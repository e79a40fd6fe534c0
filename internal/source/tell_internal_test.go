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

// opens has a service's source be another one.
func (w *world) opens(s Source) *Watcher {
	one := *w.Watcher
	one.open = func(context.Context, string, Secrets) (Source, error) { return s, nil }
	return &one
}

// world is a service and what its events tell.
type world struct {
	*Watcher
	t       *testing.T
	svc     *model.Service
	mu      sync.Mutex
	secrets map[string]string
	told    []string
	numbers int // of events, before those
	closed  int // sources
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
		Tags: []model.Tag{{Key: Tag, Value: "json+http://127.0.0.1:1/ value=/a"}},
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
		go w.opens(s).read(ctx, w.svc)
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
			go w.opens(s).read(ctx, w.svc)
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
		go w.opens(s).read(ctx, w.svc)
		time.Sleep(1500 * time.Millisecond)
		s.says("once")
		time.Sleep(time.Second)
		s.says("")
		time.Sleep(time.Minute)
		stop()
		w.tells()
	})
}

// TestToldByTwo: where one of two servers does not reach a source, that is told, and not again for each that the other one reads.
func TestToldByTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		near, far := &answers{}, &answers{}
		ctx, stop := context.WithCancel(t.Context())
		begin := func(s Source) (end func()) {
			ctx, end := context.WithCancel(ctx)
			go w.opens(s).read(ctx, w.svc)
			return end
		}
		end := begin(near)
		begin(far)
		for _, x := range []struct {
			name, near, far string
			restart         bool
			told            []string
		}{
			{"both read", "", "", false, nil},
			{"one fails", "", "refused", false, []string{"its backlog is not read"}},
			{"and the other one begins anew", "", "refused", true, []string{"its backlog is read again", "its backlog is not read"}},
			{"it comes back", "", "", false, []string{"its backlog is read again"}},
			{"both fail, each in its way", "timeout", "refused", false, []string{"its backlog is not read", "its backlog is not read"}},
			{"one comes back", "", "refused", false, []string{"its backlog is read again", "its backlog is not read"}},
			{"the other one too", "", "", false, []string{"its backlog is read again"}},
		} {
			near.says(x.near)
			far.says(x.far)
			if x.restart {
				end()
				synctest.Wait()
				end = begin(near)
			}
			time.Sleep(10 * time.Minute)
			t.Log(x.name)
			w.tells(x.told...)
		}
		end()
		stop()
		synctest.Wait()
	})
}

// rotated is a source that lets in who comes with the password of now.
type rotated struct {
	*world
	with string
}

func (r *rotated) password() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.secrets["p"]
}

func (r *rotated) Read(context.Context) (float64, error) {
	if r.with != r.password() {
		return 0, errors.New("wrong password")
	}
	return 1, nil
}

func (r *rotated) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	return nil
}

// TestRotatedSecret: a source that fails is opened again, with its secrets of now.
func TestRotatedSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.secrets["p"] = "old"
		opened, one := 0, *w.Watcher
		one.open = func(ctx context.Context, _ string, secrets Secrets) (Source, error) {
			opened++
			with, err := secrets(ctx, "p")
			return &rotated{w, with}, err
		}
		ctx, stop := context.WithCancel(t.Context())
		go one.read(ctx, w.svc)
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.secrets["p"] = "new"
		w.mu.Unlock()
		time.Sleep(time.Minute)
		w.tells("its backlog is not read, and nothing is scaled by it until it is (it is tried again): wrong password", "its backlog is read again")
		stop()
		synctest.Wait()
		if opened != 2 || w.closed != 2 {
			t.Errorf("opened %d times and closed %d times, want 2", opened, w.closed)
		}
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
		opened, one := make(chan struct{}), *w.Watcher
		one.open = func(ctx context.Context, tag string, secrets Secrets) (Source, error) {
			s, err := Open(ctx, tag, secrets)
			if err == nil {
				close(opened)
				s = &answers{}
			}
			return s, err
		}
		ctx, stop := context.WithCancel(t.Context())
		go one.read(ctx, w.svc)
		time.Sleep(time.Minute)
		w.tells(`its backlog is not read, and nothing is scaled by it until it is (it is tried again): the secret "where" of the backlog's source: there is none`)
		w.mu.Lock()
		w.secrets["where"] = "/a"
		w.mu.Unlock()
		<-opened
		w.tells("its backlog is read again")
		stop()
		synctest.Wait()
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
