//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/testneeds"
)

// dockerd is a Docker daemon of a test's own, that may be killed.
type dockerd struct {
	t         *testing.T
	dir, host string
	bridge    *netlink.Bridge
	cmd       *exec.Cmd
	done      chan struct{} // closed when it has ended
}

// newDockerd starts one with a bridge of its own. Without any it would take docker0 away, which is another daemon's.
func newDockerd(t *testing.T) *dockerd {
	t.Helper()
	testneeds.Root(t)
	testneeds.Command(t, "docker")
	testneeds.Command(t, "dockerd")
	dir, err := os.MkdirTemp("", "crash-dk") //nolint:usetesting // a socket's path is short
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // as mounts are told of
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &dockerd{t: t, dir: dir, host: "unix://" + filepath.Join(dir, "s")}
	t.Cleanup(d.sweep)
	d.bridge = &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("crash%d", os.Getpid()%100000)}}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(198, 18, 79, 1), Mask: net.CIDRMask(24, 32)}}
	if err := errors.Join(netlink.LinkAdd(d.bridge), netlink.AddrAdd(d.bridge, address), netlink.LinkSetUp(d.bridge)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(d.bridge) })
	t.Setenv("DOCKER_HOST", d.host)
	d.start()
	return d
}

// start starts the daemon, and again if it ends before it answers, as who supervises it would. Containers that do not
// hear SIGTERM yet have it take 10 s.
func (d *dockerd) start() {
	d.t.Helper()
	d.launch()
	ends := 0
	eventually(d.t, "the Docker daemon answers", func() bool {
		if exec.Command("docker", "-H", d.host, "version").Run() == nil {
			return true
		}
		select {
		case <-d.done:
			if ends++; ends == 5 {
				d.t.Fatal("the Docker daemon ends at its start, again and again")
			}
			d.t.Logf("a Docker daemon ended at its start: %v", d.cmd.ProcessState)
			d.launch()
		default:
		}
		return false
	})
}

// launch executes the daemon.
func (d *dockerd) launch() {
	d.t.Helper()
	// The daemon's containerd died with it; where nobody has buried it yet, the next daemon would wait for it to answer.
	_ = os.Remove(filepath.Join(d.dir, "x", "containerd", "containerd.pid"))
	said, err := os.OpenFile(d.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = said.Close() }()
	cmd := exec.CommandContext(context.Background(), testneeds.Command(d.t, "dockerd"), "-H", d.host, "--data-root", filepath.Join(d.dir, "d"),
		"--exec-root", filepath.Join(d.dir, "x"), "--pidfile", filepath.Join(d.dir, "pid"), "--bridge", d.bridge.Name, "--iptables=false",
		"--ip6tables=false", "--shutdown-timeout", "1")
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	done := make(chan struct{})
	d.cmd, d.done = cmd, done
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
}

func (d *dockerd) log() string { return filepath.Join(d.dir, "log") }

// kill is kill -9.
func (d *dockerd) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// sweep ends the daemon, and removes what it mounted.
func (d *dockerd) sweep() {
	if d.cmd != nil {
		_ = d.cmd.Process.Signal(unix.SIGTERM)
		<-d.done
	}
	if text, err := os.ReadFile(d.log()); err == nil && d.t.Failed() {
		d.t.Logf("the Docker daemon said in the end:\n%s", last(string(text)))
	}
	for _, pid := range pidsWith(d.dir) { // shims of one that was killed
		killed(pid)
	}
	// The list of mounts may change while it is read, so that one look is not always enough.
	eventually(d.t, "the daemon's directory is removed", func() bool {
		d.unmount()
		return os.RemoveAll(d.dir) == nil
	})
}

// unmount takes away what is mounted below the daemon's directory, the newest first.
func (d *dockerd) unmount() {
	// Not that of the process: its first thread may be one that a test has left in a container's namespace.
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		d.t.Error(err)
	}
	lines := strings.Split(string(text), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		if word := strings.Fields(line); len(word) > 4 && strings.HasPrefix(word[4], d.dir+"/") {
			_ = unix.Unmount(word[4], unix.MNT_DETACH)
		}
	}
}

// containers lists the ids of a world's containers that run.
func (d *dockerd) containers(w *crashWorld) []string {
	d.t.Helper()
	return strings.Fields(docker(d.t, d.host, "ps", "-q", "--no-trunc", "--filter", "label=maitred.scope="+w.dir))
}

// TestCrashDocker kills the agent, and the Docker daemon, with -9 while tasks start, run and stop: each task runs once, or
// is over for a reason, and the containers are those of the tasks.
func TestCrashDocker(t *testing.T) {
	d := newDockerd(t)
	w := newCrashWorld(t, "docker")
	w.register("host", types.NetworkModeHost, nil, "tally")
	w.families = []string{"host"}
	w.measure("first")
	starting, stopping := w.measure("warm")
	t.Logf("%d tasks start in %v and stop in %v", crashTasks, starting, stopping)
	const agents, daemons = 10, 4
	for i := range agents + daemons {
		b := blow{name: "the agent", whom: "agent", after: starting * time.Duration(i) / agents}
		if i >= agents {
			b = blow{name: "the Docker daemon", whom: "daemon", after: starting * time.Duration(i-agents) / daemons}
			w.victim = d.kill
		}
		b.name = fmt.Sprintf("%s after %v", b.name, b.after)
		arns := w.ask(fmt.Sprint(i), b)
		w.reviveWith(b, d)
		tasks := w.settled(arns, false)
		if b.whom == "daemon" { // whose containers end with it or after it; the agent hears of it from the next one
			eventually(t, "tasks and containers agree", func() bool {
				tasks = w.settled(arns, false)
				running := 0
				for j := range tasks {
					if aws.ToString(tasks[j].LastStatus) == "RUNNING" {
						running++
					}
				}
				return running == len(d.containers(w))
			})
		}
		alive := w.judgeDocker(d, i, b, tasks)
		b.after = stopping * time.Duration(i%agents) / agents
		w.halt(alive, b)
		w.reviveWith(b, d)
		over := w.settled(alive, true)
		for j := range over {
			if c := over[j].Containers[0]; c.ExitCode == nil && aws.ToString(c.Reason) == "" {
				t.Errorf("%s, stopped: %s", b.name, brief(over[j:j+1]))
			}
		}
		eventually(t, "no container of a stopped task runs", func() bool { return len(d.containers(w)) == 0 })
		if t.Failed() {
			t.Fatalf("after %s", b.name)
		}
	}
	w.agent.interrupt()
	w.server.interrupt()
}

func (w *crashWorld) reviveWith(b blow, d *dockerd) {
	w.t.Helper()
	if b.whom == "daemon" {
		d.start()
	}
	w.revive(b)
}

// judgeDocker wants each task to run exactly once, or to be over with a reason; it gives those that run. A daemon that is
// killed takes its containers along.
func (w *crashWorld) judgeDocker(d *dockerd, round int, b blow, tasks []types.Task) (alive []string) {
	w.t.Helper()
	for i := range tasks {
		task := &tasks[i]
		tally := fmt.Sprintf("%d.%d", round, i)
		if aws.ToString(task.LastStatus) == "RUNNING" {
			alive = append(alive, *task.TaskArn)
			w.noted(tally)
		} else if b.whom == "agent" || why(task) == "" {
			w.t.Errorf("%s: %s", b.name, brief(tasks[i:i+1]))
		}
		if n := w.started(tally); n > 1 {
			w.t.Errorf("%s: a task was started %d times: %s", b.name, n, brief(tasks[i:i+1]))
		}
	}
	if n := len(d.containers(w)); n != len(alive) {
		w.t.Errorf("%s: Docker runs %d containers, want those of %d tasks", b.name, n, len(alive))
	}
	return alive
}

// TestDockerDiesUnderAService kills the Docker daemon while a service runs: when it is back, the service heals.
func TestDockerDiesUnderAService(t *testing.T) {
	d := newDockerd(t)
	w := newCrashWorld(t, "docker")
	w.register("host", types.NetworkModeHost, func(c *types.ContainerDefinition) {
		c.Environment = []types.KeyValuePair{{Name: aws.String("TALLY"), Value: aws.String("/tallies/all")}}
		c.StopTimeout = aws.Int32(2)
	}, "tally")
	w.serve("host", 3)
	before := listed(t, w.c, worker)
	d.kill()
	d.start()
	over := w.settled(before, true)
	for i := range over {
		if why(&over[i]) == "" {
			t.Errorf("a task that died with the daemon does not say why: %s", brief(over[i:i+1]))
		}
	}
	stable(t, w.c)
	eventually(t, "three containers run", func() bool { return len(d.containers(w)) == 3 })

	paused := listed(t, w.c, worker)[0]
	container := aws.ToString(describe(t, w.c, []string{paused})[0].Containers[0].RuntimeId)
	docker(t, d.host, "pause", container)
	w.stop(paused)
	end := w.healthy(3, paused)
	// Docker lets it go on to hear the signal; a daemon that does not, kills it in the end.
	if code := end.Containers[0].ExitCode; code == nil || *code != 0 && *code != 137 {
		t.Errorf("a paused container that was stopped: exit code %s, want 0 or 137", show(code))
	}
	removed := listed(t, w.c, worker)[0]
	docker(t, d.host, "rm", "-f", aws.ToString(describe(t, w.c, []string{removed})[0].Containers[0].RuntimeId))
	w.healthy(3, removed)
	w.drop()
	eventually(t, "no container runs", func() bool { return len(d.containers(w)) == 0 })
	stopSignalsDocker(t, w)
}

func stopSignalsDocker(t *testing.T, w *crashWorld) {
	t.Helper()
	w.register("stubborn", types.NetworkModeHost, func(c *types.ContainerDefinition) { c.StopTimeout = aws.Int32(2) }, "stubborn")
	arn := w.run("stubborn", "stubborn")
	w.settled([]string{arn}, false)
	eventually(t, "it is ready", func() bool {
		out, _ := verb(t, w.server, "", "logs", shortID(arn))
		return strings.Contains(out, "ready")
	})
	w.stop(arn)
	if over := w.settled([]string{arn}, true); aws.ToInt32(over[0].Containers[0].ExitCode) != 137 {
		t.Errorf("a container that ignores SIGTERM ends so: %s, want 137", brief(over))
	}
}
