package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// world is what all measurements share.
type world struct {
	options
	base    string // directory of all that is made
	sleeper string
	self    string
	began   time.Time
	load    string
	fsyncs  samples
	figures []*figure
	notes   []string
}

// newWorld builds the programs as the Makefile does.
func newWorld(ctx context.Context, o options) (*world, error) {
	base, err := os.MkdirTemp(o.dir, "maitred-bench-")
	if err != nil {
		return nil, err
	}
	w := &world{options: o, base: base, began: time.Now().UTC(), sleeper: filepath.Join(base, "sleeper")}
	load, _ := os.ReadFile("/proc/loadavg")
	w.load, _, _ = strings.Cut(string(load), " ")
	if w.self, err = os.Executable(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.binary == "" {
		w.binary = filepath.Join(base, "maitred")
		err = build(ctx, w.binary, "./cmd/maitred")
	}
	if err = errors.Join(err, build(ctx, w.sleeper, "./bench/sleeper")); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func build(ctx context.Context, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

func (w *world) close() error { return os.RemoveAll(w.base) }

func (w *world) dataDir() (string, error) { return os.MkdirTemp(w.base, "data-") }

func (w *world) figure(f figure) *figure {
	w.figures = append(w.figures, &f)
	return w.figures[len(w.figures)-1]
}

func (w *world) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// maitred is a running one.
type maitred struct {
	*api
	dir   string
	procs []*exec.Cmd
}

// start runs maitred with the process driver on a data directory and waits until it serves.
func (w *world) start(ctx context.Context, dir string) (*maitred, error) {
	return w.startWith(ctx, dir, "process")
}

// with runs maitred over a new data directory for as long as use lasts.
func (w *world) with(ctx context.Context, use func(context.Context, *maitred) error) error {
	dir, err := w.dataDir()
	if err != nil {
		return err
	}
	m, err := w.start(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(use(ctx, m), m.stop())
}

func (w *world) startWith(ctx context.Context, dir, driver string) (*maitred, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	m := &maitred{api: newAPI("http://" + listen), dir: dir}
	server := []string{"--data-dir", dir, "--listen", listen}
	agent := []string{"--data-dir", dir, "--driver", driver}
	switch {
	case w.profile != "":
		err = m.run(ctx, w.self, childUp, w.profile, dir, listen)
	case w.split:
		if err = m.run(ctx, w.binary, append([]string{"server"}, server...)...); err == nil {
			if err = m.ready(ctx); err == nil {
				err = m.run(ctx, w.binary, append([]string{"agent"}, agent...)...)
			}
		}
	default:
		err = m.run(ctx, w.binary, append(append([]string{"up"}, server...), "--driver", driver)...)
	}
	if err == nil {
		err = m.ready(ctx)
	}
	if err == nil && w.split {
		err = m.joined(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, m.stop())
	}
	return m, nil
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// run starts one of its processes.
func (m *maitred) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we end it
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	m.procs = append(m.procs, cmd)
	return nil
}

const readyTimeout = 30 * time.Second

// ready waits until /healthz answers 200.
func (m *maitred) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return wait(ctx, time.Millisecond, func() (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"/healthz", http.NoBody)
		if err != nil {
			return false, err
		}
		answer, err := m.client.Do(req)
		if err != nil {
			return false, ctx.Err()
		}
		return answer.StatusCode == http.StatusOK, answer.Body.Close()
	})
}

// joined waits until a machine can run tasks.
func (m *maitred) joined(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return wait(ctx, time.Millisecond, func() (bool, error) {
		var out struct{ ContainerInstanceArns []string }
		err := m.call(ctx, "ListContainerInstances", object{}, &out)
		return len(out.ContainerInstanceArns) > 0, err
	})
}

// wait looks until it sees what it waits for.
func wait(ctx context.Context, pause time.Duration, look func() (bool, error)) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		seen, err := look()
		if seen || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// stop ends the processes, the last one first, and what they kept running.
func (m *maitred) stop() error {
	var errs []error
	keepers, err := keepersOf(m.dir)
	errs = append(errs, err)
	for _, p := range slices.Backward(m.procs) {
		errs = append(errs, p.Process.Signal(syscall.SIGTERM), p.Wait())
	}
	m.client.CloseIdleConnections()
	for _, pid := range keepers { // gone already after maitred up; an agent alone leaves it, and its tasks
		children, err := childrenOf(pid)
		errs = append(errs, err)
		for _, child := range append(children, pid) {
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
	}
	return errors.Join(errs...)
}
