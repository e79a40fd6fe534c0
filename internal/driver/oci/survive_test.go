//go:build linux

package oci_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/oci"
	"github.com/maitred/maitred/internal/model"
)

// TestKeeperKilled kills the keeper while containers run and after one has ended: the next keeper adopts them, their
// output goes on, their ends are seen, and nothing is left over.
func TestKeeperKilled(t *testing.T) {
	t.Parallel()
	needs(t)
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	start := func(id string, words ...string) {
		t.Helper()
		spec := driver.Spec{ID: id, Sandbox: driver.Sandbox{Task: "t"}, Definition: model.ContainerDefinition{Name: id, Image: "test", Command: words}}
		if _, err := d.Start(t.Context(), spec); err != nil {
			t.Fatalf("Start(%s) = %v", id, err)
		}
	}
	start("ended", "exit", "3")
	awaitEnd(t.Context(), t, d, "ended")
	start("runs", "trap", "terminated", "4")
	awaitReady(t, d, "runs")
	start("dies", "sleep")
	old := d.KeeperPID()
	if err := unix.Kill(old, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	all, err := d.List(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("List by the next keeper = %+v, %v, want three containers", all, err)
	}
	if d.KeeperPID() == old {
		t.Fatalf("the keeper %d was killed and is still connected", old)
	}
	for i, want := range []driver.State{driver.Running, driver.Exited, driver.Running} {
		if all[i].State != want || all[i].Image != "sha256:0123" {
			t.Errorf("the container is %+v, want %s with its image", all[i], want)
		}
	}
	if code, out, err := driver.Output(t.Context(), d, "runs", []string{"/program", "print", "x"}); code != 0 || err != nil || string(out) != "x\n" {
		t.Errorf("Exec in an adopted container = %d, %q, %v", code, out, err)
	}
	if err := d.Signal(t.Context(), "runs", ""); err != nil {
		t.Errorf("Signal = %v", err)
	}
	if end := awaitEnd(t.Context(), t, d, "runs"); !strings.Contains(end.Reason, "ContainerVanishedError") {
		t.Errorf("the end of an adopted container is %+v, want a reason", end)
	}
	if text, err := driver.Text(d.Logs(t.Context(), "runs", driver.LogOptions{})); err != nil || !strings.Contains(text, "terminated") {
		t.Errorf("the log of an adopted container is %q, %v, want its last line", text, err)
	}
	w.clear(t.Context(), t, d)
	w.wantNothing(t)
}

// awaitReady waits until a container's program has said that it is ready: before, a signal may end it in another way.
func awaitReady(t *testing.T, d driver.Driver, id string) {
	t.Helper()
	for line, err := range d.Logs(t.Context(), id, driver.LogOptions{Follow: true}) {
		if err != nil {
			t.Fatalf("Logs(%s) = %v", id, err)
		}
		if string(line.Text) == "ready" {
			return
		}
	}
	t.Fatalf("%s ended before it was ready", id)
}

// TestKilledWhileStarting kills the keeper in the middle of starts: a start that is made again runs the container once
// or says why not, and nothing is left over.
func TestKilledWhileStarting(t *testing.T) {
	t.Parallel()
	needs(t)
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	for _, step := range []string{"log", "pid", "../../runtime/a/state.json"} {
		spec := driver.Spec{ID: "a", Sandbox: driver.Sandbox{Task: "t"}, Definition: model.ContainerDefinition{Name: "a", Image: "test", Command: []string{"sleep"}}}
		result := make(chan error, 1)
		go func() {
			_, err := d.Start(t.Context(), spec)
			result <- err
		}()
		// The start goes through this step sooner or later; whether it is killed before or after is left to chance.
		for done := false; !done; {
			_, err := os.Stat(w.cfg.RunDir + "/containers/a/" + step)
			select {
			case startErr := <-result:
				result <- startErr
				done = true
			default:
				done = err == nil
			}
		}
		_ = unix.Kill(d.KeeperPID(), unix.SIGKILL)
		if err := <-result; err != nil {
			t.Logf("killed at %s: %v", step, err)
		}
		all, err := d.List(t.Context())
		if err != nil || len(all) > 1 {
			t.Fatalf("List = %+v, %v, want one container at most", all, err)
		}
		if n := programs(t, w); len(all) == 1 && all[0].State == driver.Running && n != 1 || n > 1 {
			t.Errorf("killed at %s: %d programs run and the keeper tells of %+v", step, n, all)
		}
		w.clear(t.Context(), t, d)
		w.wantNothing(t)
		if n := programs(t, w); n != 0 {
			t.Errorf("killed at %s: %d programs run after all was removed", step, n)
		}
	}
}

// TestStartCutShort has the context of a start end while the keeper carries it out: the container is as it is known to be
// afterwards, and can be removed.
func TestStartCutShort(t *testing.T) {
	t.Parallel()
	needs(t)
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	spec := driver.Spec{ID: "a", Sandbox: driver.Sandbox{Task: "t"}, Definition: model.ContainerDefinition{Name: "a", Image: "test", Command: []string{"sleep"}}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(w.cfg.RunDir + "/containers/a/log"); err == nil {
				cancel()
			}
		}
	}()
	_, err := d.Start(ctx, spec)
	cancel()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("Start that is cut short = %v, want nil or context.Canceled", err)
	}
	status, err := d.Start(t.Context(), spec)
	if err != nil || status.State != driver.Running {
		t.Fatalf("the same Start again = %+v, %v, want it to run", status, err)
	}
	if code, _, err := driver.Output(t.Context(), d, "a", []string{"/program", "exit", "6"}); code != 6 || err != nil {
		t.Errorf("Exec = %d, %v, want 6", code, err)
	}
	w.clear(t.Context(), t, d)
	w.wantNothing(t)
}

// agent is a process that starts a container, to be killed in the middle of that.
func agent(dir, program string) {
	w := &world{images: &images{holders: map[string]bool{}, image: testImage(dir)}}
	self, _ := os.Executable()
	w.cfg = testConfig(dir, self, program)
	w.cfg.Images = w.images
	d, err := oci.New(context.Background(), w.cfg)
	if err == nil {
		_, err = d.Start(context.Background(), oneSpec())
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func oneSpec() driver.Spec {
	return driver.Spec{
		ID: "a", Definition: model.ContainerDefinition{Name: "a", Image: "test", Command: []string{"sleep"}},
		Sandbox: driver.Sandbox{Task: "t", Memory: 64, PIDMode: "task"},
	}
}

// TestAgentKilled kills the process that starts a container at each step of that. The next one starts the container
// again: it runs once, and nothing is left over.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	needs(t)
	for name, step := range map[string]string{
		"bundle": "run/containers/a", "task": "run/tasks/t", "layer": "oci/containers/a/work", "config": "run/containers/a/config.json",
		"log": "run/containers/a/log", "pid": "run/containers/a/pid",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Dir(w.cfg.Dir)
			cmd := exec.Command(self, "agent", dir, w.cfg.Init)
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for reached := false; !reached; {
				_, err := os.Stat(filepath.Join(dir, step))
				reached = err == nil
				select {
				case err := <-ended:
					ended <- err
					reached = true
				default:
				}
			}
			_ = cmd.Process.Kill()
			<-ended
			d := w.connect(t)
			defer func() { _ = d.Close() }()
			status, err := d.Start(t.Context(), oneSpec())
			if err != nil || status.State != driver.Running {
				t.Fatalf("Start again = %+v, %v, want it to run", status, err)
			}
			if all, err := d.List(t.Context()); err != nil || len(all) != 1 {
				t.Errorf("List = %+v, %v, want one", all, err)
			}
			if code, _, err := driver.Output(t.Context(), d, "a", []string{"/program", "exit", "6"}); code != 6 || err != nil {
				t.Errorf("Exec = %d, %v, want 6", code, err)
			}
			w.clear(t.Context(), t, d)
			w.wantNothing(t)
		})
	}
}

// programs counts the processes in the cgroups of a world.
func programs(t *testing.T, w *world) int {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range w.groups() {
		lists, err := filepath.Glob(dir + "/*/cgroup.procs")
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			for pid := range strings.FieldsSeq(string(text)) {
				if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
					found[pid] = true
				}
			}
		}
	}
	return len(found)
}

// TestLeftovers has a driver find what one that was killed left of a container that the keeper never heard of, and
// containers of a keeper whose journal was lost.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	needs(t)
	w := newWorld(t)
	for _, dir := range []string{w.cfg.RunDir + "/containers/x/rootfs", w.cfg.Dir + "/containers/x/upper", w.cfg.RunDir + "/runtime/y"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.images.holders["z"] = true
	d := w.connect(t)
	w.wantNothing(t)
	spec := driver.Spec{ID: "a", Sandbox: driver.Sandbox{Task: "t"}, Definition: model.ContainerDefinition{Name: "a", Image: "test", Command: []string{"sleep"}}}
	if _, err := d.Start(t.Context(), spec); err != nil {
		t.Fatalf("Start = %v", err)
	}
	pid := d.KeeperPID()
	if err := d.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.cfg.Dir + "/keeper/journal"); err != nil {
		t.Fatal(err)
	}
	d = w.connect(t)
	defer func() { _ = d.Close() }()
	if all, err := d.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("List without a journal = %v, %v, want nothing", all, err)
	}
	if tasks, err := d.Sandboxes(t.Context()); err != nil || len(tasks) != 1 || tasks[0] != "t" {
		t.Errorf("Sandboxes = %v, %v, want t", tasks, err)
	}
	if err := d.Release(t.Context(), "t"); err != nil {
		t.Errorf("Release = %v", err)
	}
	// What was killed takes a moment to die, and nobody is left who would be told.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); programs(t, w) != 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d programs run that nobody knows", programs(t, w))
		}
	}
}
