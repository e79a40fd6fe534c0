//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"golang.org/x/sys/unix"
)

// serve makes the service of these stories with n tasks of a family.
func (w *crashWorld) serve(family string, n int32) {
	w.t.Helper()
	if _, err := w.c.CreateService(w.t.Context(), &ecs.CreateServiceInput{
		ServiceName: aws.String(worker), TaskDefinition: &family, DesiredCount: &n, NetworkConfiguration: w.network(family),
	}); err != nil {
		w.t.Fatal(err)
	}
	stable(w.t, w.c)
}

// drop deletes it and waits for the end of its tasks.
func (w *crashWorld) drop() {
	w.t.Helper()
	arns := listed(w.t, w.c, worker)
	if _, err := w.c.DeleteService(w.t.Context(), &ecs.DeleteServiceInput{Service: aws.String(worker), Force: aws.Bool(true)}); err != nil {
		w.t.Fatal(err)
	}
	w.settled(arns, true)
}

// healthy waits until the service has n tasks that run, other than one that was harmed, which is over.
func (w *crashWorld) healthy(n int, harmed string) types.Task {
	w.t.Helper()
	over := w.settled([]string{harmed}, true)[0]
	stable(w.t, w.c)
	if arns := listed(w.t, w.c, worker); len(arns) != n {
		w.t.Errorf("the service has %d tasks, want %d", len(arns), n)
	}
	return over
}

// behind is harm that somebody does to a container behind our back.
type behind struct {
	name string
	do   func(w *crashWorld, id string, pid int)
	ends bool // the container ends by it; else it is stopped afterwards
	code int32
}

var allBehind = []behind{
	{"killed", func(w *crashWorld, _ string, pid int) { w.must(unix.Kill(pid, unix.SIGKILL)) }, true, 137},
	{"deleted by the runtime", func(w *crashWorld, id string, _ int) {
		w.command("runc", "--root", filepath.Join(w.runDir(), "runtime"), "delete", "--force", id)
	}, true, 137},
	{"paused", func(w *crashWorld, id string, _ int) {
		w.command("runc", "--root", filepath.Join(w.runDir(), "runtime"), "pause", id)
	}, false, 137},
	{"moved out of its cgroups, which are removed", func(w *crashWorld, id string, pid int) {
		for _, dir := range w.cgroups(id) {
			for _, root := range []string{filepath.Dir(filepath.Dir(dir))} {
				w.must(os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0))
			}
			w.must(unix.Rmdir(dir))
		}
	}, false, 0},
	{"its directories removed", func(w *crashWorld, id string, _ int) {
		w.must(os.RemoveAll(filepath.Join(w.runDir(), "containers", id)))
		w.must(os.RemoveAll(filepath.Join(w.dir, "oci", "containers", id)))
	}, false, 0},
	{"the runtime's state removed", func(w *crashWorld, id string, _ int) {
		w.must(os.RemoveAll(filepath.Join(w.runDir(), "runtime", id)))
	}, false, 0},
	{"its root file system unmounted", func(w *crashWorld, _ string, pid int) {
		w.must(inMounts(pid, func() error { return unix.Unmount("/", unix.MNT_DETACH) }))
	}, false, 0},
	{"its network namespace's file removed", func(w *crashWorld, id string, _ int) {
		file := filepath.Join(w.dir, "network", "netns", id[:strings.IndexByte(id, '-')])
		w.must(unix.Unmount(file, unix.MNT_DETACH))
		w.must(os.Remove(file))
	}, false, 0},
	{"its interface removed", func(w *crashWorld, _ string, _ int) {
		for _, link := range w.leftLinks() {
			w.command("ip", "link", "delete", strings.TrimPrefix(link, "interface "))
		}
	}, false, 0},
	{"the agent killed after the namespace's file was removed", func(w *crashWorld, id string, _ int) {
		file := filepath.Join(w.dir, "network", "netns", id[:strings.IndexByte(id, '-')])
		w.must(unix.Unmount(file, unix.MNT_DETACH))
		w.must(os.Remove(file))
		w.agent.kill()
		w.startAgent()
	}, false, 0},
	{"the table of nf_tables removed", func(w *crashWorld, _ string, _ int) {
		w.must(w.dropTable())
	}, false, 0},
}

// inMounts does something in a process's mount namespace, on a thread that ends with it.
func inMounts(pid int, do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		file, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		if err == nil {
			defer func() { _ = file.Close() }()
			err = unix.Unshare(unix.CLONE_FS)
		}
		if err == nil {
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNS)
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

func (w *crashWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *crashWorld) command(name string, args ...string) {
	w.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// TestBehindOurBack harms containers of a service in all ways that a person with root may think of: the service heals,
// nothing hangs, and nothing is left over.
func TestBehindOurBack(t *testing.T) {
	w := newCrashWorld(t, "oci")
	w.register("own", types.NetworkModeAwsvpc, func(c *types.ContainerDefinition) {
		c.StopTimeout = aws.Int32(10) // who hears the signal has ended by then, busy machine or not
		c.Environment = []types.KeyValuePair{{Name: aws.String("TALLY"), Value: aws.String("/tallies/all")}}
	}, "tally")
	for _, b := range allBehind {
		_ = os.Remove(filepath.Join(w.tallies, "all"))
		w.serve("own", 1)
		harmed := listed(t, w.c, worker)[0]
		id := shortID(harmed) + "-app-0"
		w.noted("all")
		b.do(w, id, w.pid(id))
		if !b.ends {
			w.stop(harmed)
		}
		over := w.healthy(1, harmed)
		if code := over.Containers[0].ExitCode; code == nil || *code != b.code {
			t.Errorf("%s: exit code %s, want %d: %s", b.name, show(code), b.code, brief([]types.Task{over}))
		}
		w.drop()
		w.empty("left of one "+b.name, w.left)
		w.wantKept()
		if t.Failed() {
			t.Fatalf("after one that was %s", b.name)
		}
	}
	w.end()
}

// pid is the process id of a container.
func (w *crashWorld) pid(id string) int {
	w.t.Helper()
	for _, s := range w.kept() {
		if s.ID == id {
			pid, err := strconv.Atoi(s.RuntimeID)
			w.must(err)
			return pid
		}
	}
	w.t.Fatalf("the keeper does not know %s", id)
	return 0
}

// TestPausedIsUnhealthy pauses a container that has a health check: the check does not answer in its time, and the
// service replaces the task.
func TestPausedIsUnhealthy(t *testing.T) {
	w := newCrashWorld(t, "oci")
	w.register("own", types.NetworkModeAwsvpc, func(c *types.ContainerDefinition) {
		c.StopTimeout = aws.Int32(2)
		c.Environment = []types.KeyValuePair{{Name: aws.String("TALLY"), Value: aws.String("/tallies/all")}}
		c.HealthCheck = &types.HealthCheck{
			Command: []string{"CMD", "/guest", "say", "well"}, Interval: aws.Int32(10), Timeout: aws.Int32(8), Retries: aws.Int32(1),
		}
	}, "tally")
	w.serve("own", 1)
	harmed := listed(t, w.c, worker)[0]
	w.command("runc", "--root", filepath.Join(w.runDir(), "runtime"), "pause", shortID(harmed)+"-app-0")
	w.healthy(1, harmed)
	w.drop()
	w.end()
}

// TestStopSignals has containers be stopped on both drivers: one that ignores SIGTERM is killed after its stopTimeout, and
// one gets the signal that its image asks for.
func TestStopSignals(t *testing.T) {
	stopSignals(t, newCrashWorld(t, "oci"))
}

func stopSignals(t *testing.T, w *crashWorld) {
	after := func(seconds int32) func(c *types.ContainerDefinition) {
		return func(c *types.ContainerDefinition) { c.StopTimeout = aws.Int32(seconds) }
	}
	w.register("bridge-stubborn", types.NetworkModeBridge, after(2), "stubborn")
	w.register("bridge-told", types.NetworkModeBridge, after(60), "told")
	w.image = w.layout("SIGQUIT")
	w.register("bridge-quit", types.NetworkModeBridge, after(60), "told")
	want := map[string]int32{"bridge-stubborn": 137, "bridge-told": int32(unix.SIGTERM), "bridge-quit": int32(unix.SIGQUIT)}
	arns := map[string]string{}
	for family := range want {
		arns[family] = w.run(family, family)
	}
	for family, arn := range arns {
		w.settled([]string{arn}, false)
		eventually(t, family+" is ready", func() bool {
			out, _ := verb(t, w.server, "", "logs", shortID(arn))
			return strings.Contains(out, "ready")
		})
		w.stop(arn)
	}
	for family, arn := range arns {
		over := w.settled([]string{arn}, true)
		if code := over[0].Containers[0].ExitCode; code == nil || *code != want[family] {
			t.Errorf("%s: exit code %s, want %d: %s", family, show(code), want[family], brief(over))
		}
	}
	w.end()
}
