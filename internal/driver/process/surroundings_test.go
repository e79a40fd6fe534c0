//go:build linux

package process_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/drivertest"
	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// TestStartErrors checks that whatever keeps a program from running is said by Start itself.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		def  model.ContainerDefinition
		want string
	}{
		"no command":      {model.ContainerDefinition{Image: "process"}, "there is no command"},
		"absent":          {model.ContainerDefinition{Image: "/absent"}, "no such file or directory"},
		"not in the path": {model.ContainerDefinition{Image: "process", Command: []string{"absent-program"}}, "not found in PATH"},
		"no permission":   {model.ContainerDefinition{Image: plain}, "permission denied"},
		"with a limit": {
			model.ContainerDefinition{Image: "/absent", Ulimits: []model.Ulimit{{Name: "nofile", Soft: 9, Hard: 9}}},
			"no such file or directory",
		},
		"no such user":    {model.ContainerDefinition{Image: w.self, User: "nobody-at-all"}, `user "nobody-at-all"`},
		"no directory":    {model.ContainerDefinition{Image: w.self, WorkingDirectory: "/absent"}, "workingDirectory /absent"},
		"not a directory": {model.ContainerDefinition{Image: w.self, WorkingDirectory: plain}, "is not a directory"},
	} {
		_, err := d.Start(t.Context(), driver.Spec{ID: "a", Definition: c.def})
		var failure *driver.Failure
		if !errors.As(err, &failure) || failure.Name != "CannotStartContainerError" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Start = %v, want CannotStartContainerError with %q", name, err, c.want)
		}
	}
	if all, err := d.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("after failed starts List = %v, %v, want nothing", all, err)
	}
	w.leaks(t)
}

func TestUlimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	spec := w.spec("a", "limit", "7") // of open files
	spec.Definition.Ulimits = []model.Ulimit{{Name: "nofile", Soft: 123, Hard: 234}, {Name: "core", Soft: 0, Hard: 0}}
	if _, err := d.Start(t.Context(), spec); err != nil {
		t.Fatalf("Start = %v", err)
	}
	if end := awaitEnd(t, d, "a"); exitCode(end) != "0" {
		t.Errorf("the end is %+v, want exit code 0", end)
	}
	// The Go program raises its own soft limit when it begins; the shell below does not.
	if text := logOf(t, d, "a"); !strings.HasSuffix(text, " 234\n") {
		t.Errorf("the limits are %q, want a hard one of 234", text)
	}
	spec = w.spec("b")
	spec.Definition.EntryPoint, spec.Definition.Command = []string{"/bin/sh", "-c", "ulimit -Sn; ulimit -Hn; echo $ID"}, nil
	spec.Definition.Ulimits = []model.Ulimit{{Name: "nofile", Soft: 123, Hard: 234}}
	if _, err := d.Start(t.Context(), spec); err != nil {
		t.Fatalf("Start = %v", err)
	}
	awaitEnd(t, d, "b")
	if text := logOf(t, d, "b"); text != "123\n234\nb\n" {
		t.Errorf("a shell sees %q, want 123, 234 and the environment", text)
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	testneeds.Root(t) // only root can run programs as another user
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	// Others may not look into the directory of the test binary.
	program := filepath.Join(os.TempDir(), "maitred-"+filepath.Base(t.TempDir())+strconv.Itoa(os.Getpid()))
	if out, err := exec.Command("cp", w.self, program).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = os.Remove(program) })
	for id, c := range map[string]struct {
		user   string
		limits []model.Ulimit
		want   string
	}{
		"own":     {"0", nil, "0 0 true\n"},
		"number":  {"12345", nil, "12345 0 true\n"},
		"group":   {"12345:54321", nil, "12345 54321 true\n"},
		"name":    {"daemon", nil, "1 1 true\n"},
		"limited": {"12345:54321", []model.Ulimit{{Name: "nofile", Soft: 99, Hard: 99}}, "12345 54321 true\n"},
	} {
		spec := driver.Spec{ID: id, Definition: model.ContainerDefinition{
			Image: program, Command: []string{drivertest.ProgramArg, "whoami"}, User: c.user, Ulimits: c.limits,
		}}
		if _, err := d.Start(t.Context(), spec); err != nil {
			t.Errorf("Start as %s = %v", c.user, err)
			continue
		}
		awaitEnd(t, d, id)
		if got := logOf(t, d, id); got != c.want {
			t.Errorf("as %s the program says %q, want %q", c.user, got, c.want)
		}
	}
}

// TestPath looks a program up in the PATH that the container is given, and runs relative images from the driver's own
// working directory.
func TestPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	w.cfg.WorkingDirectory = dir
	if err := os.WriteFile(filepath.Join(dir, "greet"), []byte("#!/bin/sh\necho hello $1 from $PWD\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	for id, spec := range map[string]driver.Spec{
		"path":     {Env: []string{"PATH=/absent:" + dir}, Definition: model.ContainerDefinition{Image: "process", Command: []string{"greet", "you"}}},
		"relative": {Definition: model.ContainerDefinition{Image: "./greet", Command: []string{"you"}}},
	} {
		spec.ID = id
		if _, err := d.Start(t.Context(), spec); err != nil {
			t.Errorf("%s: Start = %v", id, err)
			continue
		}
		awaitEnd(t, d, id)
		if got, want := logOf(t, d, id), "hello you from "+dir+"\n"; got != want {
			t.Errorf("%s: it says %q, want %q", id, got, want)
		}
	}
}

// TestExecIsKilled sees that a command whose caller has gone is gone too, with what it started.
func TestExecIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	w.start(t, d, "a", "sleep")
	other, err := process.New(t.Context(), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pids")
	result := make(chan error, 1)
	go func() {
		_, _, err := driver.Output(t.Context(), other, "a", []string{
			"/bin/sh", "-c", "sleep 1000 & echo $! $$ > " + file + ".new; mv " + file + ".new " + file + "; wait",
		})
		result <- err
	}()
	var pids []string
	until(t, "the command to run", func() string {
		text, err := os.ReadFile(file)
		if err != nil {
			return err.Error()
		}
		pids = strings.Fields(string(text))
		return ""
	})
	_ = other.Close()
	if err := <-result; err == nil {
		t.Error("Exec whose connection was closed = nil, want an error")
	}
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		until(t, "process "+text+" of the command to be gone", func() string { return alive(pid) })
	}
}
