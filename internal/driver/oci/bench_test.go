//go:build linux

package oci_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// The benchmarks start the same 50 containers by the driver and by a bare loop of the runtime; what counts is their ratio.
// bare has an overlay mounted for each container before the clock starts, and the configuration of `runc spec`: without
// cgroup limits, seccomp profile, /etc/hosts or a log. same has the very configuration that the driver writes.
const (
	batch   = 50
	workers = 4
)

func BenchmarkStart50(b *testing.B) {
	needs(b)
	b.Run("driver", func(b *testing.B) {
		w := newWorld(b)
		d := w.connect(b)
		defer func() { _ = d.Close() }()
		for round := 0; b.Loop(); round++ {
			inParallel(func(i int) {
				_, err := d.Start(b.Context(), driver.Spec{
					ID:         fmt.Sprint(round, "-", i),
					Definition: model.ContainerDefinition{Name: "c", Image: "test", Command: []string{"sleep"}},
				})
				if err != nil {
					b.Error(err)
				}
			})
			b.StopTimer()
			w.clear(b.Context(), b, d)
			b.StartTimer()
		}
	})
	for _, kind := range []string{"bare", "same"} {
		b.Run(kind, func(b *testing.B) {
			w := newWorld(b)
			for round := 0; b.Loop(); round++ {
				b.StopTimer()
				loop := newLoop(b, w, kind == "same")
				b.StartTimer()
				inParallel(func(i int) { loop.run(b, i) })
				b.StopTimer()
				loop.end()
				b.StartTimer()
			}
		})
	}
}

// inParallel does something for each of a batch, by a few workers.
func inParallel(do func(i int)) {
	next := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range batch {
		next <- i
	}
	close(next)
	all.Wait()
}

// loop is a bare loop of the runtime.
type loop struct {
	b   *testing.B
	dir string
}

func newLoop(b *testing.B, w *world, same bool) *loop {
	b.Helper()
	l := &loop{b: b, dir: b.TempDir()}
	config := bareConfig(b, l.dir)
	if same {
		config = w.config(b)
	}
	config["process"].(map[string]any)["terminal"] = false
	config["process"].(map[string]any)["args"] = []string{"/program", "sleep"}
	for i := range batch {
		bundle := l.bundle(i)
		for _, sub := range []string{"rootfs", "upper", "work"} {
			if err := os.MkdirAll(filepath.Join(bundle, sub), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		layers := w.images.image.Layers
		options := fmt.Sprintf("lowerdir=%s:%s,upperdir=%s/upper,workdir=%s/work", layers[1], layers[0], bundle, bundle)
		if out, err := exec.CommandContext(b.Context(), "mount", "-t", "overlay", "overlay", "-o", options, bundle+"/rootfs").CombinedOutput(); err != nil {
			b.Fatalf("mount: %v %s", err, out)
		}
		config["root"] = map[string]any{"path": bundle + "/rootfs"}
		config["linux"].(map[string]any)["cgroupsPath"] = fmt.Sprintf("/%s-loop/%d", w.group, i)
		text, err := json.Marshal(config)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(bundle+"/config.json", text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() {
		_ = exec.CommandContext(context.WithoutCancel(b.Context()), "sh", "-c", "rmdir /sys/fs/cgroup/*/"+w.group+"-loop").Run()
	})
	return l
}

func (l *loop) bundle(i int) string { return filepath.Join(l.dir, fmt.Sprint(i)) }

func (l *loop) args(words ...string) []string {
	return append([]string{"--root", filepath.Join(l.dir, "state")}, words...)
}

func (l *loop) run(b *testing.B, i int) {
	cmd := exec.CommandContext(b.Context(), "runc", l.args("run", "-d", "--bundle", l.bundle(i), fmt.Sprint("loop-", i))...)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Error(err)
		return
	}
	defer func() { _ = null.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, null, null
	if err := cmd.Run(); err != nil {
		b.Errorf("runc run: %v", err)
	}
}

func (l *loop) end() {
	for i := range batch {
		_ = exec.CommandContext(l.b.Context(), "runc", l.args("delete", "--force", fmt.Sprint("loop-", i))...).Run()
		_ = exec.CommandContext(l.b.Context(), "umount", l.bundle(i)+"/rootfs").Run()
	}
}

// bareConfig is what `runc spec` writes.
func bareConfig(b *testing.B, dir string) map[string]any {
	b.Helper()
	if err := exec.CommandContext(b.Context(), "runc", "spec", "--bundle", dir).Run(); err != nil {
		b.Fatal(err)
	}
	return readJSON(b, filepath.Join(dir, "config.json"))
}

// config is what the driver writes for the container of the benchmark.
func (w *world) config(b *testing.B) map[string]any {
	b.Helper()
	d := w.connect(b)
	defer func() { _ = d.Close() }()
	_, err := d.Start(b.Context(), driver.Spec{
		ID: "sample", Definition: model.ContainerDefinition{Name: "c", Image: "test", Command: []string{"sleep"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	config := readJSON(b, filepath.Join(w.cfg.RunDir, "containers", "sample", "config.json"))
	w.clear(b.Context(), b, d)
	return config
}

func readJSON(b *testing.B, path string) map[string]any {
	b.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkUsage measures ten idle containers: cpu-µs/task is what driver and keeper take for each.
func BenchmarkUsage(b *testing.B) {
	needs(b)
	w := newWorld(b)
	d := w.connect(b)
	defer func() { _ = d.Close() }()
	const tasks = 10
	for i := range tasks {
		if _, err := d.Start(b.Context(), driver.Spec{
			ID: fmt.Sprint("0-", i), Definition: model.ContainerDefinition{Name: "c", Image: "test", Command: []string{"sleep"}},
		}); err != nil {
			b.Fatal(err)
		}
	}
	usage := func() {
		if use, err := d.Usage(b.Context()); err != nil || len(use) != tasks {
			b.Fatalf("%d containers are measured, %v", len(use), err)
		}
	}
	usage()
	pids := []int{os.Getpid(), d.KeeperPID()}
	before := processor(b, pids)
	for b.Loop() {
		usage()
	}
	b.ReportMetric(float64((processor(b, pids)-before).Microseconds())/float64(b.N)/tasks, "cpu-µs/task")
	w.clear(b.Context(), b, d)
}

// processor is the processor time of processes, by the scheduler's statistics of their threads.
func processor(b *testing.B, pids []int) (sum time.Duration) {
	b.Helper()
	for _, pid := range pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, f := range files {
			var run int64
			if text, err := os.ReadFile(f); err == nil {
				_, _ = fmt.Sscan(string(text), &run)
			}
			sum += time.Duration(run)
		}
	}
	return sum
}
