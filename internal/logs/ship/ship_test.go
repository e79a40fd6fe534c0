package ship_test

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/logs/frame"
	"github.com/maitred/maitred/internal/logs/ship"
	"github.com/maitred/maitred/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a driver with one container, whose log grows while it is read.
type machine struct {
	driver.Driver
	mu    sync.Mutex
	lines []driver.Line
	ended bool
	grown chan struct{}
	stop  int // after so many lines the log breaks; 0 for never
}

func newMachine(lines ...driver.Line) *machine {
	return &machine{lines: lines, grown: make(chan struct{})}
}

func (m *machine) write(lines ...driver.Line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, lines...)
	close(m.grown)
	m.grown = make(chan struct{})
}

func (m *machine) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	close(m.grown)
	m.grown = make(chan struct{})
}

func (m *machine) status() driver.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := driver.Status{ID: "task-main-0", State: driver.Running, RuntimeID: "77"}
	if m.ended {
		s.State = driver.Exited
	}
	return s
}

func (m *machine) List(context.Context) ([]driver.Status, error) {
	return []driver.Status{m.status()}, nil
}

func (m *machine) Watch(ctx context.Context, changed func(driver.Status)) error {
	changed(m.status())
	<-ctx.Done()
	return ctx.Err()
}

func (m *machine) at(i int) (line driver.Line, ok, ended bool, grown <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i < len(m.lines) {
		return m.lines[i], true, false, nil
	}
	return line, false, m.ended, m.grown
}

func (m *machine) Logs(ctx context.Context, _ string, o driver.LogOptions) iter.Seq2[driver.Line, error] {
	return func(yield func(driver.Line, error) bool) {
		for i := 0; ; {
			if m.stop > 0 && i >= m.stop {
				yield(driver.Line{}, fmt.Errorf("the log broke"))
				return
			}
			line, ok, ended, grown := m.at(i)
			switch {
			case ok && line.At.Before(o.Since):
				i++
			case ok:
				i++
				if !yield(line, nil) {
					return
				}
			case ended || !o.Follow:
				return
			default:
				select {
				case <-grown:
				case <-ctx.Done():
					yield(driver.Line{}, ctx.Err())
					return
				}
			}
		}
	}
}

var (
	group = logs.Group{Region: "eu-west-1", Name: "/app", Created: 1}
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func config(m *machine, store *disk.Store, options model.AWSLogs) ship.Config {
	return ship.Config{
		Driver: m, Store: store, Now: func() time.Time { return start },
		Target: func(driver.Status) (ship.Target, bool) {
			return ship.Target{AWSLogs: options, Stream: "web/main/task"}, true
		},
		Group: func(context.Context, ship.Target) (logs.Group, int64, bool) { return group, 0, true },
	}
}

func open(t rapid.TB, dir string) *disk.Store {
	t.Helper()
	store, err := disk.Open(disk.Config{Dir: dir, Source: "here", Segment: 500})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func messages(t rapid.TB, store *disk.Store) (list []string) {
	t.Helper()
	for e, err := range store.Events(context.Background(), logs.Query{Group: group, To: math.MaxInt64}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Message)
	}
	return list
}

// shipped counts the lines that the store has taken.
func shipped(store *disk.Store) int {
	n := 0
	for e := range store.Events(context.Background(), logs.Query{Group: group, To: math.MaxInt64}) {
		n += 1 + strings.Count(e.Message, "\n")
	}
	return n
}

// TestExactlyOnce kills the shipper at any time, perhaps in the middle of a write, until the container has ended.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "ship") //nolint:usetesting // one for each check of the property
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		var want []string
		m := newMachine()
		at := start
		for i := range rapid.IntRange(0, 40).Draw(t, "lines") {
			at = at.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "later")))
			want = append(want, fmt.Sprintf("line %d", i))
			m.lines = append(m.lines, driver.Line{At: at, Text: []byte(want[i])})
		}
		m.end()
		store := open(t, dir)
		for range rapid.IntRange(0, 5).Draw(t, "kills") {
			m.stop = rapid.IntRange(1, 41).Draw(t, "after how many lines")
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- ship.Run(ctx, config(m, store, model.AWSLogs{})) }()
			until(t, "what is readable to be shipped", func() bool { return shipped(store) >= min(m.stop, len(want)) })
			cancel()
			if err := <-done; err != nil {
				t.Fatalf("Run = %v", err)
			}
			store = killed(t, store, dir)
		}
		m.stop = 0
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- ship.Run(ctx, config(m, store, model.AWSLogs{})) }()
		until(t, "all to be shipped", func() bool { return shipped(store) >= len(want) })
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("Run = %v", err)
		}
		if diff := cmp.Diff(want, messages(t, store), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("lines (-written +shipped):\n%s", diff)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// killed is the store as the next process finds it: the last write may be there in part.
func killed(t *rapid.T, store *disk.Store, dir string) *disk.Store {
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	cut := rapid.Int64Range(0, 200).Draw(t, "lost bytes")
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".open") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			t.Fatal(err)
		}
		return os.Truncate(path, max(0, info.Size()-cut))
	})
	return open(t, dir)
}

func until(t rapid.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func line(at time.Duration, text string) driver.Line {
	return driver.Line{At: start.Add(at), Text: []byte(text)}
}

// TestLinesAreShippedAsTheyCome follows a container from its start to its end; then the stream is sealed.
func TestLinesAreShippedAsTheyCome(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := open(t, dir)
		m := newMachine(line(0, "one"), line(1, ""), line(2, "t\xffwo\r"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ship.Run(ctx, config(m, store, model.AWSLogs{})) }()
		synctest.Wait()
		if diff := cmp.Diff([]string{"one", "t\uFFFDwo"}, messages(t, store)); diff != "" {
			t.Errorf("at first (-want +got):\n%s", diff)
		}
		m.write(line(3, "three"))
		synctest.Wait()
		if diff := cmp.Diff([]string{"one", "t\uFFFDwo", "three"}, messages(t, store)); diff != "" {
			t.Errorf("when there is more (-want +got):\n%s", diff)
		}
		m.end()
		synctest.Wait()
		sealed, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.seg"))
		if err != nil || len(sealed) != 1 {
			t.Errorf("sealed files %v, %v, want one when the container has ended", sealed, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestEventsOfSeveralLines joins lines until the next event begins, nothing comes for a while, or the container ends.
func TestEventsOfSeveralLines(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := open(t, dir)
		m := newMachine(line(0, "> panic"), line(1, "  at a"), line(2, "  at b"), line(3, "> next"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ship.Run(ctx, config(m, store, model.AWSLogs{Begin: regexp.MustCompile("^>")})) }()
		synctest.Wait()
		want := []string{"> panic\n  at a\n  at b"}
		if diff := cmp.Diff(want, messages(t, store)); diff != "" {
			t.Errorf("while the second event may go on (-want +got):\n%s", diff)
		}
		<-time.After(6 * time.Second)
		synctest.Wait()
		want = append(want, "> next")
		if diff := cmp.Diff(want, messages(t, store)); diff != "" {
			t.Errorf("after a while (-want +got):\n%s", diff)
		}
		m.write(line(4, "> last"))
		m.end()
		synctest.Wait()
		if diff := cmp.Diff(append(want, "> last"), messages(t, store)); diff != "" {
			t.Errorf("after the end (-want +got):\n%s", diff)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestNoGroup drops lines as long as there is no group, and what a group does not keep any more.
func TestNoGroup(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := open(t, dir)
		m := newMachine(line(0, "dropped"))
		c := config(m, store, model.AWSLogs{Group: "/app"})
		var mu sync.Mutex
		exists, from := false, int64(0)
		c.Group = func(context.Context, ship.Target) (logs.Group, int64, bool) {
			mu.Lock()
			defer mu.Unlock()
			return group, from, exists
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ship.Run(ctx, c) }()
		synctest.Wait()
		mu.Lock()
		exists, from = true, start.Add(time.Hour).UnixMilli()
		mu.Unlock()
		m.write(line(time.Minute, "too old"), line(2*time.Hour, "kept"))
		synctest.Wait()
		if diff := cmp.Diff([]string{"kept"}, messages(t, store)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if mark, err := store.Mark(group, "web/main/task", "task-main-0"); err != nil || mark != (frame.Mark{At: start.Add(2 * time.Hour).UnixNano(), Lines: 1}) {
			t.Errorf("the mark is %v, %v, want behind the last line", mark, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if err := ship.Run(t.Context(), ship.Config{}); err == nil {
		t.Error("Run without anything = nil, want an error")
	}
}
