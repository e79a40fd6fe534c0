//go:build linux

package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/drivertest"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
)

// TestMain makes the test binary the keeper, the keeper's shim and the program that runs in containers.
func TestMain(m *testing.M) {
	drivertest.Main()
	if len(os.Args) > 1 && os.Args[1] == "keeper" {
		os.Exit(keeper.Main(os.Args[2:], os.Stderr))
	}
	if len(os.Args) > 2 && os.Args[1] == "agent" {
		agent(os.Args[2])
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, func(t *testing.T) drivertest.Harness { return newWorld(t).harness() })
}

// TestConformanceWithoutCgroups is for machines on which the keeper may make no cgroups: most without root.
func TestConformanceWithoutCgroups(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, func(t *testing.T) drivertest.Harness { return newWorld(t, "--no-cgroups").harness() })
}

// world is a keeper's directory; its keeper is stopped when the test ends.
type world struct {
	cfg  process.Config
	self string
	// files is a directory for copies
	files string
}

func newWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{self: self, files: t.TempDir(), cfg: process.Config{
		Dir: filepath.Join(t.TempDir(), "keeper"), Keeper: []string{self, "keeper"}, KeeperFlags: flags,
	}}
	t.Cleanup(func() { w.end(t) })
	return w
}

// connect makes a driver.
func (w *world) connect(t *testing.T) *process.Driver {
	t.Helper()
	d, err := process.New(t.Context(), w.cfg)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	return d
}

// end kills what a failed test left, and stops the keeper if the test has not.
func (w *world) end(t *testing.T) {
	if _, err := os.Stat(filepath.Join(w.cfg.Dir, "keeper.sock")); err != nil {
		return
	}
	if log, err := os.ReadFile(filepath.Join(w.cfg.Dir, "keeper.log")); err == nil && t.Failed() {
		t.Logf("the keeper's log:\n%s", log)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own has ended
	defer cancel()
	d, err := process.New(ctx, w.cfg)
	if err != nil {
		t.Errorf("New = %v", err)
		return
	}
	defer func() { _ = d.Close() }()
	running := map[string]bool{}
	ctx, done := context.WithCancel(ctx)
	defer done()
	all, _ := d.List(ctx)
	for _, s := range all {
		if s.State != driver.Exited {
			running[s.ID] = true
			_ = d.Kill(ctx, s.ID)
		}
	}
	if len(running) == 0 {
		done()
	}
	_ = d.Watch(ctx, func(s driver.Status) {
		if s.State == driver.Exited {
			delete(running, s.ID)
		}
		if len(running) == 0 {
			done()
		}
	})
	if err := d.StopKeeper(context.WithoutCancel(ctx)); err != nil {
		t.Errorf("StopKeeper = %v", err)
	}
}

func (w *world) harness() drivertest.Harness {
	return drivertest.Harness{
		Connect: func(t *testing.T) driver.Driver { return w.connect(t) },
		Container: func(words ...string) model.ContainerDefinition {
			return model.ContainerDefinition{
				Name: "main", Image: "process", Essential: true, WorkingDirectory: "/",
				EntryPoint: []string{w.self, drivertest.ProgramArg}, Command: words,
			}
		},
		Command:   func(words ...string) []string { return append([]string{w.self, drivertest.ProgramArg}, words...) },
		Absent:    model.ContainerDefinition{Name: "main", Image: "process", Command: []string{"/does/not/exist"}},
		Processes: true,
		CleanEnv:  true,
		Break:     func(t *testing.T) { w.killKeeper(t) },
		Leaks:     w.leaks,
		Dir:       w.files,
	}
}

// killKeeper kills the keeper as nothing but a kernel or an administrator does.
func (w *world) killKeeper(t *testing.T) {
	t.Helper()
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	if err := syscall.Kill(d.KeeperPID(), syscall.SIGKILL); err != nil {
		t.Fatalf("kill the keeper: %v", err)
	}
}

// leaks fails the test if the keeper has anything left of containers.
func (w *world) leaks(t *testing.T) {
	t.Helper()
	d := w.connect(t)
	pid := d.KeeperPID()
	until(t, "the keeper's descriptors and children to be gone", func() string { return leftovers(pid) })
	if logs, err := os.ReadDir(filepath.Join(w.cfg.Dir, "logs")); err != nil || len(logs) > 0 {
		t.Errorf("logs that are left: %v, %v", logs, err)
	}
	if err := d.StopKeeper(t.Context()); err != nil {
		t.Errorf("StopKeeper = %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	until(t, "the keeper to be gone", func() string { return alive(pid) })
	if _, err := os.Stat(filepath.Join(w.cfg.Dir, "keeper.sock")); err == nil {
		t.Error("the keeper has left its socket")
	}
	log, _ := os.ReadFile(filepath.Join(w.cfg.Dir, "keeper.log"))
	if text := string(log); strings.Contains(text, "DATA RACE") || strings.Contains(text, "level=ERROR") {
		t.Errorf("the keeper's log:\n%s", text)
	}
	// The cgroup's name is told by the keeper alone.
	for word := range strings.FieldsSeq(string(log)) {
		if dir, ok := strings.CutPrefix(word, "cgroups=/"); ok {
			if _, err := os.Stat("/" + dir); err == nil {
				t.Errorf("the keeper has left its cgroup %s", dir)
			}
		}
	}
}

// alive is "" for a process that is gone or whose parent only has not looked.
func alive(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || strings.Contains(string(stat), ") Z ") {
		return ""
	}
	return string(stat)
}

// leftovers lists a keeper's pipes and children, "" if there are none.
func leftovers(pid int) string {
	var left []string
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); strings.HasPrefix(target, "pipe:") || strings.Contains(target, "pidfd") {
			left = append(left, target)
		}
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		left = append(left, strings.Fields(string(children))...)
	}
	slices.Sort(left)
	return strings.Join(left, " ")
}

// until polls until nothing is left of what a real process must do by itself.
func until(t *testing.T, what string, left func() string) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		now := left()
		if now == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s: %s", what, now)
		}
	}
}
