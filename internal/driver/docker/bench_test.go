package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// BenchmarkStart50 starts fifty containers, four at a time, by the driver with a watch as an agent has it, and by the bare
// calls with the same options. Their removal is not measured.
func BenchmarkStart50(b *testing.B) {
	host := testneeds.Docker(b)
	for _, mode := range []string{modeNone, modeBridge} {
		b.Run(mode+"/bare", func(b *testing.B) { startFifty(b, host, mode, bare) })
		b.Run(mode+"/driver", func(b *testing.B) { startFifty(b, host, mode, startOne) })
	}
}

func startOne(ctx context.Context, d *Driver, spec driver.Spec) error {
	_, err := d.Start(ctx, spec)
	return err
}

func bare(ctx context.Context, d *Driver, spec driver.Spec) error {
	options, err := d.create(spec, image{name: spec.Definition.Image}, sandbox{})
	if err != nil {
		return err
	}
	made, err := d.client.ContainerCreate(ctx, options)
	if err != nil {
		return err
	}
	_, err = d.client.ContainerStart(ctx, made.ID, client.ContainerStartOptions{})
	return err
}

func startFifty(b *testing.B, host, mode string, start func(context.Context, *Driver, driver.Spec) error) {
	d, err := New(b.Context(), Config{Host: host, Scope: "bench/" + rand.Text()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	name, _, err := d.pauseImageOf(b.Context())
	if err == nil {
		err = d.importPause(b.Context(), name)
	}
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel()
	watcher.Go(func() { _ = d.Watch(ctx, func(driver.Status) {}) })
	for n := 0; b.Loop(); n++ {
		fifty(b, func(i int) error {
			return start(ctx, d, driver.Spec{
				ID:         strings.Join([]string{mode, strconv.Itoa(n), strconv.Itoa(i)}, "-"),
				Definition: model.ContainerDefinition{Name: "main", Image: name},
				Sandbox:    driver.Sandbox{Task: strconv.Itoa(i), NetworkMode: mode},
			})
		})
		b.StopTimer()
		all, err := d.summaries(ctx, client.Filters{})
		if err != nil || len(all) != 50 {
			b.Fatalf("%d containers run, %v, want 50", len(all), err)
		}
		fifty(b, func(i int) error {
			_, err := d.client.ContainerRemove(ctx, all[i].ID, client.ContainerRemoveOptions{Force: true})
			return err
		})
		b.StartTimer()
	}
}

// fifty calls act fifty times, four at a time.
func fifty(b *testing.B, act func(int) error) {
	b.Helper()
	var all sync.WaitGroup
	errs := make([]error, 50)
	next := make(chan int)
	for range 4 {
		all.Go(func() {
			for i := range next {
				errs[i] = act(i)
			}
		})
	}
	for i := range errs {
		next <- i
	}
	close(next)
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkUsage measures ten idle containers while somebody watches, as an agent does: cpu-µs/task is what this process
// takes for each.
func BenchmarkUsage(b *testing.B) {
	d, err := New(b.Context(), Config{Host: testneeds.Docker(b), Scope: "bench/" + rand.Text()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	name, _, err := d.pauseImageOf(b.Context())
	if err == nil {
		err = d.importPause(b.Context(), name)
	}
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel()
	watcher.Go(func() { _ = d.Watch(ctx, func(driver.Status) {}) })
	const tasks = 10
	var made []string
	defer func() {
		for _, id := range made {
			_, _ = d.client.ContainerRemove(b.Context(), id, client.ContainerRemoveOptions{Force: true})
		}
	}()
	for i := range tasks {
		s, err := d.Start(ctx, driver.Spec{
			ID: strconv.Itoa(i), Definition: model.ContainerDefinition{Name: "main", Image: name},
			Sandbox: driver.Sandbox{Task: strconv.Itoa(i), NetworkMode: modeNone},
		})
		if err != nil {
			b.Fatal(err)
		}
		made = append(made, s.RuntimeID)
	}
	usage := func() {
		if use, err := d.Usage(ctx); err != nil || len(use) != tasks {
			b.Fatalf("%d containers are measured, %v", len(use), err)
		}
	}
	usage()
	before := processor(b)
	for b.Loop() {
		usage()
	}
	b.ReportMetric(float64((processor(b)-before).Microseconds())/float64(b.N)/tasks, "cpu-µs/task")
}

func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
