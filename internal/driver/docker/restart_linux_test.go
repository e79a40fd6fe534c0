package docker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/testneeds"
)

// TestDaemonRestarts has a daemon of its own, ended kindly and by force while containers run.
func TestDaemonRestarts(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	testneeds.Docker(t) // a machine that runs one daemon runs another
	program := testneeds.Command(t, "dockerd")
	for name, sig := range map[string]os.Signal{"kindly": unix.SIGTERM, "by force": unix.SIGKILL} {
		t.Run(name, func(t *testing.T) { restarts(t, program, sig) })
	}
}

func restarts(t *testing.T, program string, sig os.Signal) {
	dir, err := os.MkdirTemp("", "dk") //nolint:usetesting // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sweep(t, dir) })
	host := "unix://" + filepath.Join(dir, "s")
	stop := runDaemon(t, program, dir, host)
	t.Cleanup(func() { stop(unix.SIGTERM) })
	c, err := connect(t.Context(), host, quickTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := importStatic(t.Context(), c, "program", buildProgram(t)); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, host, "program")
	d := w.connect()
	w.must(d, w.spec("before", "exit", "3"))
	w.wantCode(w.ended(d, "before"), 3, "")
	w.must(d, w.spec("willing", "trap", "terminated", "7"))
	w.must(d, w.spec("stubborn", "stubborn"))
	for _, id := range []string{"willing", "stubborn"} {
		w.poll(id+" to be ready", func() bool { return strings.Contains(w.log(d, id), "ready") })
	}
	broken := make(chan error, 1)
	go func() { broken <- d.Watch(w.ctx, func(driver.Status) {}) }()
	stop(sig)
	if err := <-broken; err == nil || w.ctx.Err() != nil {
		t.Errorf("Watch of a daemon that ends = %v, want an error", err)
	}
	if _, err := d.Start(w.ctx, w.spec("meanwhile", "exit", "0")); err == nil {
		t.Error("Start without a daemon = nil, want an error")
	} else if _, certain := errors.AsType[*driver.Failure](err); certain {
		t.Errorf("Start without a daemon = %v, want an error that leaves it open", err)
	}
	// The daemon's containerd died with it; where nobody has buried it yet, the next daemon would wait for it to answer.
	_ = os.Remove(filepath.Join(dir, "x", "containerd", "containerd.pid"))
	stop = runDaemon(t, program, dir, host)
	all := map[string]driver.Status{}
	w.poll("all to be ended", func() bool {
		list, err := d.List(w.ctx)
		for _, s := range list {
			all[s.ID] = s
		}
		return err == nil && len(all) == 3 && all["willing"].State == driver.Exited && all["stubborn"].State == driver.Exited
	})
	w.wantCode(all["before"], 3, "")
	w.wantCode(all["stubborn"], 137, "")
	// By force, the next daemon kills what it finds running: without live-restore nothing survives it.
	w.wantCode(all["willing"], map[os.Signal]int{unix.SIGTERM: 7, unix.SIGKILL: *all["willing"].ExitCode}[sig], "")
	w.must(d, w.spec("meanwhile", "exit", "4"))
	w.wantCode(w.ended(d, "meanwhile"), 4, "")
}

// ended waits for the end of a container without a watch, which would not outlive the daemon.
func (w *world) ended(d *Driver, id string) (s driver.Status) {
	w.Helper()
	w.poll("the end of "+id, func() bool {
		var err error
		s, err = d.look(w.ctx, id)
		return err == nil && s.State == driver.Exited
	})
	return s
}

// sweep removes a daemon's directory with what is mounted in it.
func sweep(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Error(err)
	}
	lines := strings.Split(string(text), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		if word := strings.Fields(line); len(word) > 1 && strings.HasPrefix(word[1], dir+"/") {
			err = errors.Join(err, unix.Unmount(word[1], unix.MNT_DETACH))
		}
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		t.Errorf("sweep the daemon's directory: %v", err)
	}
}

// runDaemon runs a daemon without a network, until stopped or to the end of the test.
func runDaemon(t *testing.T, program, dir, host string) (stop func(os.Signal)) {
	t.Helper()
	daemon := exec.CommandContext(context.Background(), program, "-H", host, "--data-root", filepath.Join(dir, "d"),
		"--exec-root", filepath.Join(dir, "x"), "--pidfile", filepath.Join(dir, "pid"),
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--shutdown-timeout", "5") // in which who is willing has ended, busy machine or not
	said, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	daemon.Stdout, daemon.Stderr = said, said
	// In a network of its own: a daemon without a bridge removes the one that another daemon has made.
	daemon.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	_ = said.Close()
	var once sync.Once
	stop = func(sig os.Signal) {
		once.Do(func() {
			_ = daemon.Process.Signal(sig)
			_ = daemon.Wait()
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := connect(ctx, host, quickTimeout)
		if err == nil {
			_ = c.Close()
			return stop
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			said, _ := os.ReadFile(filepath.Join(dir, "log"))
			stop(unix.SIGKILL)
			t.Fatalf("the daemon does not answer: %v\n%s", err, said)
		}
	}
}
