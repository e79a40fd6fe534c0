//go:build linux

package agent_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// processes is an agent with real processes, in real time.
type processes struct {
	t       *testing.T
	config  process.Config
	backend *mem.Backend
	control *store.Store
	dir     string
}

func newProcesses(t *testing.T) *processes {
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("the test's own binary: %v", err)
	}
	dir := t.TempDir()
	r := &processes{t: t, backend: mem.New(mem.Options{}), dir: dir, config: process.Config{
		Dir: filepath.Join(dir, "keeper"), Keeper: []string{self, "keeper"},
	}}
	r.control, err = store.Open(t.Context(), r.backend, store.Scope{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(r.close)
	return r
}

// close ends the keeper, which it can only if nothing runs any more.
func (r *processes) close() {
	r.control.Close()
	if err := r.backend.Close(); err != nil {
		r.t.Errorf("close the backend: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own has ended
	defer cancel()
	d, err := process.New(ctx, r.config)
	if err != nil {
		r.t.Errorf("connect to the keeper: %v", err)
		return
	}
	defer func() { _ = d.Close() }()
	if err := d.StopKeeper(ctx); err != nil {
		r.t.Errorf("stop the keeper, as nothing should run: %v", err)
	}
}

func (r *processes) start() *running {
	r.t.Helper()
	d, err := process.New(r.t.Context(), r.config)
	if err != nil {
		r.t.Fatalf("the process driver: %v", err)
	}
	s, err := store.Open(r.t.Context(), r.backend, store.Scope{Machine: machineID})
	if err != nil {
		r.t.Fatalf("open the store: %v", err)
	}
	a, err := agent.New(agent.Config{
		Store: s, Driver: d, Dir: r.dir, Machine: model.Machine{ID: machineID}, HostNetwork: true,
		Log: slog.New(slog.NewTextHandler(r.t.Output(), nil)),
	})
	if err != nil {
		r.t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return &running{Agent: a, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
		s.Close()
		if err := d.Close(); err != nil {
			r.t.Errorf("close the driver: %v", err)
		}
	})}
}

func (r *processes) put(records ...model.Record) {
	r.t.Helper()
	if _, err := r.control.Update(r.t.Context(), func(tx *store.Tx) error {
		for _, x := range records {
			tx.Put(x)
		}
		return nil
	}); err != nil {
		r.t.Fatalf("put: %v", err)
	}
}

// want makes a task of a shell script wanted, and waits until it runs and has said, by writing to $READY, that it has
// got as far as it is interesting.
func (r *processes) want(n int, script string) *model.Observed {
	r.t.Helper()
	ready := filepath.Join(r.dir, "ready"+strconv.Itoa(n))
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		r.t.Fatalf("make a pipe: %v", err)
	}
	pipe, err := os.OpenFile(ready, os.O_RDWR, 0)
	if err != nil {
		r.t.Fatalf("open the pipe: %v", err)
	}
	defer func() { _ = pipe.Close() }()
	def := &model.TaskDefinition{ARN: "arn:aws:ecs:r:1:task-definition/sh:" + strconv.Itoa(n), Containers: []model.ContainerDefinition{{
		Name: "main", Image: "process", Essential: true, EntryPoint: []string{"/bin/sh", "-c"}, Command: []string{script},
		Ports: []model.PortMapping{{ContainerPort: 80, Protocol: "tcp"}}, StopTimeout: time.Second,
		Environment: map[string]string{"READY": ready},
	}}}
	r.put(def, &model.Task{ARN: arnOf(n), Machine: machineID, TaskDefinition: def.ARN, Desired: model.TaskRunning})
	seen := r.await(n, model.TaskRunning)
	if err := pipe.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		r.t.Fatalf("wait for task %d: %v", n, err)
	}
	if _, err := pipe.Read(make([]byte, 1)); err != nil {
		r.t.Fatalf("wait for task %d: %v", n, err)
	}
	return seen
}

func (r *processes) wantStopped(n int) {
	r.t.Helper()
	t, ok := r.control.View().Task(arnOf(n))
	if !ok {
		r.t.Fatalf("there is no task %d", n)
	}
	task := *t.Task
	task.Desired = model.TaskStopped
	r.put(&task)
}

// await waits until a task has reached a status.
func (r *processes) await(n int, status model.TaskStatus) *model.Observed {
	r.t.Helper()
	news := r.control.Watch(model.KindObserved)
	defer news.Close()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		news.Take()
		t, _ := r.control.View().Task(arnOf(n))
		if t.Seen != nil && t.Seen.Status.Order() >= status.Order() {
			if t.Seen.Status != status {
				r.t.Fatalf("task %d: got %+v, want %s", n, t.Seen, status)
			}
			return t.Seen
		}
		select {
		case <-news.C():
		case <-deadline.C:
			r.t.Fatalf("task %d: got %+v, want %s", n, t.Seen, status)
		}
	}
}

func exitCode(o *model.Observed) string {
	if o.Containers[0].ExitCode == nil {
		return "none"
	}
	return strconv.Itoa(*o.Containers[0].ExitCode)
}

func TestRealProcesses(t *testing.T) {
	t.Parallel()
	r := newProcesses(t)
	a := r.start()
	defer a.stop()

	// A program that is killed behind everybody's back.
	seen := r.want(1, "echo port $PORT; echo >$READY; exec sleep 1000")
	pid, err := strconv.Atoi(seen.Containers[0].RuntimeID)
	if err != nil {
		t.Fatalf("got runtime id %q, want a pid", seen.Containers[0].RuntimeID)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill: %v", err)
	}
	if got := exitCode(r.await(1, model.TaskStopped)); got != "137" {
		t.Errorf("got exit code %s, want 137", got)
	}
	log, err := a.Logs(t.Context(), arnOf(1), "main", driver.LogOptions{})
	if err != nil {
		t.Fatalf("Logs: %v", err)
	}
	text, err := driver.Text(log)
	want := "port " + strconv.Itoa(seen.Containers[0].Bindings[0].HostPort)
	if err != nil || strings.TrimSpace(text) != want {
		t.Errorf("got log %q (%v), want %q", text, err, want)
	}

	// One that outlives its agent, and is stopped by the next one.
	before := r.want(2, "echo >$READY; exec sleep 1000")
	stubborn := r.want(3, "trap '' TERM; echo >$READY; while :; do sleep 1; done")
	a.stop()
	r.wantStopped(2)
	b := r.start()
	defer b.stop()
	after := r.await(2, model.TaskStopped)
	if got := exitCode(after); got != "143" || after.Containers[0].RuntimeID != before.Containers[0].RuntimeID {
		t.Errorf("got exit code %s of process %s, want 143 of %s", got, after.Containers[0].RuntimeID, before.Containers[0].RuntimeID)
	}

	// One that does not listen.
	r.wantStopped(3)
	after = r.await(3, model.TaskStopped)
	if got := exitCode(after); got != "137" || after.Containers[0].RuntimeID != stubborn.Containers[0].RuntimeID {
		t.Errorf("got exit code %s of process %s, want 137 of %s", got, after.Containers[0].RuntimeID, stubborn.Containers[0].RuntimeID)
	}

	// One that does not exist.
	def := &model.TaskDefinition{ARN: "arn:aws:ecs:r:1:task-definition/none:1", Containers: []model.ContainerDefinition{
		{Name: "main", Image: "/does/not/exist", Essential: true},
	}}
	r.put(def, &model.Task{ARN: arnOf(4), Machine: machineID, TaskDefinition: def.ARN, Desired: model.TaskRunning})
	failed := r.await(4, model.TaskStopped)
	if !strings.HasPrefix(failed.StopReason, "CannotStartContainerError: ") || failed.StopCode != model.StopFailedToStart {
		t.Errorf("got %s: %s", failed.StopCode, failed.StopReason)
	}

	// And all at once, when the agent takes its tasks along.
	r.want(5, "echo >$READY; exec sleep 1000")
	if err := b.StopAll(t.Context(), "maitred up was stopped", 5*time.Second); err != nil {
		t.Errorf("StopAll: %v", err)
	}
	if got := r.await(5, model.TaskStopped); got.StopCode != model.StopTermination || exitCode(got) != "143" {
		t.Errorf("got %s with exit code %s, want TerminationNotice with 143", got.StopCode, exitCode(got))
	}
}
