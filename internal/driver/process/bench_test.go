//go:build linux

package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
)

// The two benchmarks start the same 50 programs, by the driver and by package os/exec; what counts is their ratio.
const batch = 50

func BenchmarkStart50(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--no-cgroups"}} {
		b.Run(fmt.Sprint("driver", flags), func(b *testing.B) {
			d, err := process.New(b.Context(), process.Config{
				Dir: filepath.Join(b.TempDir(), "k"), Keeper: []string{self, "keeper"}, KeeperFlags: flags,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = d.Close() }()
			for i := 0; b.Loop(); i++ {
				startAll(b, d, i)
				b.StopTimer()
				endAll(b, d, i)
				b.StartTimer()
			}
			b.ReportMetric(float64(memory(d.KeeperPID(), "RssAnon:")), "anon-kB")
			b.ReportMetric(float64(memory(d.KeeperPID(), "VmRSS:")), "rss-kB")
			if err := d.StopKeeper(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
	b.Run("os/exec", func(b *testing.B) {
		for b.Loop() {
			var cmds [batch]*exec.Cmd
			var all sync.WaitGroup
			for i := range cmds {
				cmds[i] = exec.Command("/bin/sleep", "1000")
				cmds[i].SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				all.Go(func() {
					if err := cmds[i].Start(); err != nil {
						b.Error(err)
					}
				})
			}
			all.Wait()
			b.StopTimer()
			for _, c := range cmds {
				_ = c.Process.Kill()
				_ = c.Wait()
			}
			b.StartTimer()
		}
	})
}

func startAll(b *testing.B, d *process.Driver, round int) {
	var all sync.WaitGroup
	for i := range batch {
		all.Go(func() {
			_, err := d.Start(b.Context(), driver.Spec{
				ID:         fmt.Sprint(round, "-", i),
				Definition: model.ContainerDefinition{Image: "/bin/sleep", Command: []string{"1000"}},
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

// endAll kills and removes all; nothing is timed here.
func endAll(b *testing.B, d *process.Driver, round int) {
	for i := range batch {
		id := fmt.Sprint(round, "-", i)
		if err := d.Kill(b.Context(), id); err != nil {
			b.Fatal(err)
		}
		for d.Remove(b.Context(), id) != nil {
			if b.Context().Err() != nil {
				b.Fatal(b.Context().Err())
			}
		}
	}
}

// BenchmarkKillToEvent is the time from a program's kill to its end in the watch.
func BenchmarkKillToEvent(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	d, err := process.New(b.Context(), process.Config{Dir: filepath.Join(b.TempDir(), "k"), Keeper: []string{self, "keeper"}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	ends := make(chan string, 1)
	go func() {
		_ = d.Watch(b.Context(), func(s driver.Status) {
			if s.State == driver.Exited {
				ends <- s.ID
			}
		})
	}()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		s, err := d.Start(b.Context(), driver.Spec{
			ID: fmt.Sprint(i), Definition: model.ContainerDefinition{Image: "/bin/sleep", Command: []string{"1000"}},
		})
		if err != nil {
			b.Fatal(err)
		}
		var pid int
		_, _ = fmt.Sscan(s.RuntimeID, &pid)
		b.StartTimer()
		_ = syscall.Kill(pid, syscall.SIGKILL)
		<-ends
	}
	if err := d.StopKeeper(b.Context()); err != nil {
		b.Error(err)
	}
}

// memory reads a line of /proc/PID/status, in kB.
func memory(pid int, name string) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			var n int
			_, _ = fmt.Sscan(rest, &n)
			return n
		}
	}
	return 0
}

// BenchmarkUsage measures 50 idle programs: cpu-µs/task is what driver and keeper take for each of them.
func BenchmarkUsage(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--no-cgroups"}} {
		b.Run(fmt.Sprint(flags), func(b *testing.B) {
			d, err := process.New(b.Context(), process.Config{
				Dir: filepath.Join(b.TempDir(), "k"), Keeper: []string{self, "keeper"}, KeeperFlags: flags,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = d.Close() }()
			startAll(b, d, 0)
			usage := func() {
				if all, err := d.Usage(b.Context()); err != nil || len(all) != batch {
					b.Fatalf("%d programs are measured, %v", len(all), err)
				}
			}
			usage()
			before := processor(b, os.Getpid()) + processor(b, d.KeeperPID())
			for b.Loop() {
				usage()
			}
			taken := processor(b, os.Getpid()) + processor(b, d.KeeperPID()) - before
			b.ReportMetric(float64(taken.Microseconds())/float64(b.N)/batch, "cpu-µs/task")
			endAll(b, d, 0)
			if err := d.StopKeeper(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
}

// processor is the processor time of a process, by its scheduler's statistics: to the nanosecond, of all its threads.
func processor(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		b.Skip("the kernel does not tell the processor time of threads")
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var run int64
		if _, err := fmt.Sscan(string(text), &run); err == nil {
			sum += time.Duration(run)
		}
	}
	return sum
}
