package live_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs/live"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const (
	prefix  = "arn:aws:ecs:us-east-1:123456789012:"
	cluster = prefix + "cluster/default"
	web     = prefix + "service/default/web"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// world is a store and the logs of containers, by task and container.
type world struct {
	*testing.T
	store *store.Store
	later sync.WaitGroup // what after has begun

	mu    sync.Mutex
	logs  map[string]*log
	grown chan struct{}
}

type log struct {
	lines []driver.Line
	ended bool
	away  bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	backend := mem.New(mem.Options{})
	st, err := store.Open(t.Context(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, store: st, logs: map[string]*log{}, grown: make(chan struct{})}
	w.put(
		&model.Service{ARN: web, Name: "web", Cluster: cluster, Status: model.Active},
		&model.TaskDefinition{ARN: prefix + "task-definition/web:1", Family: "web", Revision: 1, Containers: []model.ContainerDefinition{
			{Name: "app", Essential: true}, {Name: "side"},
		}},
	)
	return w
}

// close waits for what after has begun: a write that a reader has seen may yet have to return.
func (w *world) close() {
	w.later.Wait()
	w.store.Close()
}

// after has something happen once a time has passed.
func (w *world) after(d time.Duration, happens func()) {
	w.later.Add(1)
	time.AfterFunc(d, func() {
		defer w.later.Done()
		happens()
	})
}

func (w *world) put(records ...model.Record) {
	w.Helper()
	if _, err := w.store.Update(w.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		w.Fatal(err)
	}
}

func arnOf(letters string) string {
	return prefix + "task/default/" + letters + strings.Repeat("0", 32-len(letters))
}

// task puts a task of the service web with the container app; code is its exit code once it has stopped.
func (w *world) task(letters string, status model.TaskStatus, code int) {
	c := model.ObservedContainer{Name: "app", Status: model.TaskRunning, RuntimeID: "77"}
	o := &model.Observed{Task: arnOf(letters), Machine: "m1", Status: status, StartedAt: noon, Containers: []model.ObservedContainer{c}}
	if status == model.TaskStopped {
		o.StoppedAt, o.StopReason = noon.Add(time.Minute), "Essential container in task exited"
		o.Containers[0].Status, o.Containers[0].ExitCode = model.TaskStopped, &code
	}
	if status == model.TaskPending {
		o.Containers[0] = model.ObservedContainer{Name: "app", Status: model.TaskPending}
	}
	w.put(&model.Task{
		ARN: arnOf(letters), Cluster: cluster, Machine: "m1", Service: web, Desired: model.TaskRunning,
		TaskDefinition: prefix + "task-definition/web:1",
	}, o)
}

// change changes a log and wakes its readers.
func (w *world) change(letters string, change func(*log)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.logs[arnOf(letters)]
	if l == nil {
		l = &log{}
		w.logs[arnOf(letters)] = l
	}
	change(l)
	close(w.grown)
	w.grown = make(chan struct{})
}

func line(seconds int, text string) driver.Line {
	return driver.Line{At: noon.Add(time.Duration(seconds) * time.Second), Text: []byte(text)}
}

func (w *world) write(letters string, lines ...driver.Line) {
	w.change(letters, func(l *log) { l.lines = append(l.lines, lines...) })
}

var errAway = errors.New("the machine is away")

func (w *world) next(task string, i int) (l driver.Line, ok, ended bool, grown <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.logs[task]
	if log != nil && i < len(log.lines) {
		return log.lines[i], true, false, nil
	}
	return l, false, log == nil || log.ended, w.grown
}

func (w *world) open(ctx context.Context, t model.TaskState, _ string, o driver.LogOptions) (iter.Seq2[driver.Line, error], error) {
	w.mu.Lock()
	l := w.logs[t.ARN]
	away := l != nil && l.away
	w.mu.Unlock()
	if away {
		return nil, errAway
	}
	return func(yield func(driver.Line, error) bool) {
		for i := 0; ; {
			line, ok, ended, grown := w.next(t.ARN, i)
			switch {
			case ok:
				i++
				if !line.At.Before(o.Since) && !yield(line, nil) {
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
	}, nil
}

func (w *world) reader() *live.Reader { return &live.Reader{Store: w.store, Open: w.open} }

// short is a line for comparison: TASK TEXT, or TASK -- NOTE.
func short(l live.Line) string {
	task := strings.Trim(model.ShortID(l.Task), "0")
	if l.Note != "" {
		return task + " -- " + l.Note
	}
	return task + " " + l.Text
}

func (w *world) read(s live.Subject, o live.Options) (got []string) {
	w.Helper()
	for l, err := range w.reader().Read(w.Context(), s, o) {
		if err != nil {
			w.Fatalf("Read: %v", err)
		}
		got = append(got, short(l))
	}
	return got
}

func TestMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defer w.close()
	w.task("aaaa", model.TaskRunning, 0)
	w.task("bbbb", model.TaskRunning, 0)
	w.task("cccc", model.TaskStopped, 1)
	w.task("dddd", model.TaskPending, 0)
	w.write("aaaa", line(1, "one"), line(3, "three"))
	w.write("bbbb", line(2, "two"), line(4, "four"))
	w.write("cccc", line(0, "over"))
	all := []string{"aaaa one", "bbbb two", "aaaa three", "bbbb four"}
	for name, c := range map[string]struct {
		s    live.Subject
		o    live.Options
		want []string
	}{
		"a service":       {live.Subject{Service: web}, live.Options{Tail: -1}, all},
		"the last lines":  {live.Subject{Service: web}, live.Options{Tail: 3}, all[1:]},
		"no line":         {live.Subject{Service: web}, live.Options{}, nil},
		"since a time":    {live.Subject{Service: web}, live.Options{Tail: -1, Since: noon.Add(3 * time.Second)}, append([]string{}, all[2:]...)},
		"a task":          {live.Subject{Task: arnOf("bbbb")}, live.Options{Tail: -1}, []string{all[1], all[3]}},
		"a stopped task":  {live.Subject{Task: arnOf("cccc")}, live.Options{Tail: -1}, []string{"cccc over"}},
		"a container":     {live.Subject{Task: arnOf("aaaa"), Container: "app"}, live.Options{Tail: -1}, []string{all[0], all[2]}},
		"not started":     {live.Subject{Task: arnOf("dddd")}, live.Options{Tail: -1}, nil},
		"not this one":    {live.Subject{Task: arnOf("aaaa"), Container: "side"}, live.Options{Tail: -1}, nil},
		"stopped lately":  {live.Subject{Service: web}, live.Options{Tail: 1, Since: noon}, all[3:]},
		"a task that was": {live.Subject{Task: arnOf("eeee")}, live.Options{Tail: -1}, nil},
	} {
		if diff := cmp.Diff(c.want, w.read(c.s, c.o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	w.change("aaaa", func(l *log) { l.away = true })
	want := []string{"aaaa -- its log cannot be read: the machine is away", "bbbb two", "bbbb four"}
	if diff := cmp.Diff(want, w.read(live.Subject{Service: web}, live.Options{Tail: -1})); diff != "" {
		t.Errorf("when a machine is away (-want +got):\n%s", diff)
	}
}

// TestLastOfAll: when all tasks of a service are over, the last one is told of.
func TestLastOfAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defer w.close()
	w.task("cccc", model.TaskStopped, 1)
	w.write("cccc", line(0, "over"))
	if diff := cmp.Diff([]string{"cccc over"}, w.read(live.Subject{Service: web}, live.Options{Tail: -1})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFollow follows a service: lines as they come, an incomplete line that is completed, a task that ends, one that is
// started later, and a machine that is away for a while.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.task("aaaa", model.TaskRunning, 0)
		w.write("aaaa", line(1, "one"), line(2, "par"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for l, err := range w.reader().Read(ctx, live.Subject{Service: web}, live.Options{Tail: -1, Follow: true}) {
				if err != nil {
					t.Errorf("Read: %v", err)
				}
				mu.Lock()
				got = append(got, short(l))
				mu.Unlock()
			}
		}()
		expect := func(what string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			got = nil
		}
		expect("at first", "aaaa one", "aaaa par")
		w.change("aaaa", func(l *log) { l.lines[1] = line(2, "partial") })
		w.write("aaaa", line(3, "three"))
		expect("more", "aaaa three")
		w.write("bbbb", line(4, "four"))
		w.task("bbbb", model.TaskRunning, 0)
		expect("another task", "bbbb four")
		w.write("aaaa", line(5, "last"))
		w.task("aaaa", model.TaskStopped, 3)
		w.change("aaaa", func(l *log) { l.ended = true })
		w.put(&model.Service{ARN: web, Name: "web", Cluster: cluster, Status: model.Active}) // whatever: somebody writes
		expect("an end", "aaaa last", "aaaa -- the task has stopped: Essential container in task exited (app: exit code 3)")
		cancel()
		<-done
	})
}

// TestIncompleteLine: a line that was told before it was complete is told to its end.
func TestIncompleteLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.task("aaaa", model.TaskRunning, 0)
		w.write("aaaa", line(1, "name? "))
		first := true
		open := func(ctx context.Context, s model.TaskState, c string, o driver.LogOptions) (iter.Seq2[driver.Line, error], error) {
			if !first { // between the look at what there is and the following
				w.change("aaaa", func(l *log) { l.lines = []driver.Line{line(1, "name? Ada"), line(2, "hello")}; l.ended = true })
				w.task("aaaa", model.TaskStopped, 0)
			}
			first = false
			return w.open(ctx, s, c, o)
		}
		reader := &live.Reader{Store: w.store, Open: open}
		var got []string
		for l := range reader.Read(t.Context(), live.Subject{Task: arnOf("aaaa")}, live.Options{Tail: -1, Follow: true}) {
			got = append(got, short(l))
		}
		want := []string{"aaaa name? ", "aaaa Ada", "aaaa hello", "aaaa -- the task has stopped: Essential container in task exited (app: exit code 0)"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestAwayForAWhile: following goes on when a machine is back.
func TestAwayForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.task("aaaa", model.TaskRunning, 0)
		w.write("aaaa", line(1, "one"))
		w.change("aaaa", func(l *log) { l.away = true })
		w.after(20*time.Second, func() {
			w.change("aaaa", func(l *log) { l.away, l.ended = false, true })
		})
		w.after(40*time.Second, func() { w.task("aaaa", model.TaskStopped, 0) })
		var got []string
		for l := range w.reader().Read(t.Context(), live.Subject{Task: arnOf("aaaa")}, live.Options{Tail: -1, Follow: true}) {
			got = append(got, short(l))
		}
		want := []string{
			"aaaa -- its log cannot be read: the machine is away", "aaaa one",
			"aaaa -- the task has stopped: Essential container in task exited (app: exit code 0)",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defer w.close()
	other := prefix + "service/other/web"
	w.task("aaaa", model.TaskRunning, 0)
	w.task("aaab", model.TaskRunning, 0)
	w.put(
		&model.Service{ARN: prefix + "service/default/api", Name: "api", Cluster: cluster, Status: model.Active},
		&model.Service{ARN: prefix + "service/default/old", Name: "old", Cluster: cluster, Status: model.Inactive},
	)
	view := w.store.View()
	for ref, want := range map[string]live.Subject{
		"web": {Service: web}, "default/web": {Service: web}, web: {Service: web}, "web/side": {Service: web, Container: "side"},
		"default/web/app": {Service: web, Container: "app"}, "aaab": {Task: arnOf("aaab")}, arnOf("aaaa"): {Task: arnOf("aaaa")},
		"aaab/app": {Task: arnOf("aaab"), Container: "app"},
	} {
		if got, err := live.Find(view, ref); err != nil || got != want {
			t.Errorf("Find(%s) = %+v, %v, want %+v", ref, got, err, want)
		}
	}
	w.put(&model.Service{ARN: other, Name: "web", Cluster: prefix + "cluster/other", Status: model.Active})
	view = w.store.View()
	for ref, want := range map[string]string{
		"nothing":                           "There is no service or task \"nothing\". The services are: default/api, default/web, other/web",
		"old":                               "There is no service or task",
		"":                                  "There is no service or task",
		"aaa":                               "There is no service or task", // too short to be meant
		"web":                               "say which: default/web, other/web",
		"aaaa0000000000000000000000000000x": "There is no service or task",
		"aaab/nothing":                      "has no container \"nothing\"; it has: app, side",
	} {
		if got, err := live.Find(view, ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Find(%s) = %+v, %v, want %q", ref, got, err, want)
		}
	}
}
