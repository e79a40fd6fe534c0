//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

// crashTasks is how many tasks are started, one after the other, in each round: one kill meets each at another step.
const crashTasks = 4

// crashRounds is the number of rounds whose kill comes at a time of its own. CRASH_ROUNDS asks for more.
func crashRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CRASH_ROUNDS")
	if text == "" {
		return 6
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("CRASH_ROUNDS is %q, want a number of rounds", text)
	}
	return n
}

// blow is a kill in the middle of a start or a stop.
type blow struct {
	name  string
	whom  string        // agent, keeper, both, runtime, or daemon: victim
	after time.Duration // after the start was asked for; or
	step  string        // when the number of files of this pattern has changed

	undone bool // by a stop
}

// TestCrashOCI kills the agent, the keeper, both, and the runtime, with -9 at many moments of the starts and the stops of
// tasks with a network of their own and with published ports. The next agent brings each task to where it was to be: it
// runs once, or is over for a reason that it tells; and in the end nothing is left on the machine.
func TestCrashOCI(t *testing.T) {
	w := newCrashWorld(t, "oci")
	w.register("own", types.NetworkModeAwsvpc, nil, "tally")
	w.register("bridge", types.NetworkModeBridge, nil, "tally")

	w.families = []string{"own", "bridge"}
	w.measure("first") // pulls the image
	starting, stopping := w.measure("warm")
	t.Logf("%d tasks start in %v and stop in %v", crashTasks, starting, stopping)

	phases := map[string]int{}
	blows := w.blows(starting)
	for i, b := range blows {
		arns := w.ask(fmt.Sprintf("%d", i), b)
		w.look(arns, phases)
		w.revive(b)
		tasks := w.agreed(b, arns)
		w.judgeStarted(i, b, tasks)
		if t.Failed() {
			t.Fatalf("after %s", b.name)
		}
		var alive []string
		for j := range tasks {
			if aws.ToString(tasks[j].LastStatus) == "RUNNING" {
				alive = append(alive, *tasks[j].TaskArn)
			}
		}
		if !b.undone { // what is not undone in a stop is no step of it
			b.step, b.after = "", stopping*time.Duration(i)/time.Duration(len(blows))
		}
		w.halt(alive, b)
		w.revive(b)
		w.judgeStopped(b, w.settled(alive, true))
		if t.Failed() {
			t.Fatalf("after %s, stopped", b.name)
		}
	}
	for _, phase := range slices.Sorted(maps.Keys(phases)) {
		t.Logf("%3d starts were cut short at: %s", phases[phase], phase)
	}
	w.end()
}

// measure starts and stops tasks, and tells how long that takes when nobody is killed.
func (w *crashWorld) measure(round string) (starting, stopping time.Duration) {
	w.t.Helper()
	asked := time.Now()
	arns := w.ask(round)
	w.settled(arns, false)
	starting = time.Since(asked)
	for i := range arns {
		w.noted(fmt.Sprintf("%s.%d", round, i))
	}
	asked = time.Now()
	for _, arn := range arns {
		w.stop(arn)
	}
	w.settled(arns, true)
	return starting, time.Since(asked)
}

// noted waits until a task that runs has noted its start: now it hears signals.
func (w *crashWorld) noted(tally string) {
	w.t.Helper()
	eventually(w.t, "a task that runs notes that it does", func() bool { return w.started(tally) > 0 })
}

// blows are the kills: of the agent at equal distances of time and at each step, of the others at some steps.
func (w *crashWorld) blows(whole time.Duration) []blow {
	steps := map[string]string{
		"ledger": w.dir + "/ports/*.json", "task": w.runDir() + "/tasks/*", "endpoint": w.dir + "/network/endpoints/*",
		"namespace": w.dir + "/network/netns/*", "bundle": w.runDir() + "/containers/*", "hold": w.dir + "/images/uses/*",
		"config": w.runDir() + "/containers/*/config.json", "log": w.runDir() + "/containers/*/log",
		"state": w.runDir() + "/runtime/*/state.json", "pid": w.runDir() + "/containers/*/pid",
	}
	var all []blow
	rounds := crashRounds(w.t)
	for i := range rounds {
		after := whole * time.Duration(i) / time.Duration(rounds)
		all = append(all, blow{name: fmt.Sprintf("the agent after %v", after), whom: "agent", after: after})
	}
	add := func(whom string, names ...string) {
		for _, name := range names {
			all = append(all, blow{
				name: fmt.Sprintf("%s at %s", whom, name), whom: whom, step: steps[name],
				undone: slices.Contains([]string{"ledger", "task", "endpoint", "namespace", "state"}, name),
			})
		}
	}
	add("agent", slices.Sorted(maps.Keys(steps))...)
	add("keeper", "endpoint", "log", "state", "pid")
	add("both", "namespace", "log", "state", "pid")
	add("runtime", "config", "log", "state", "pid")
	return all
}

// arm prepares a kill; the channel is closed when it has come.
func (w *crashWorld) arm(b *blow) <-chan struct{} {
	struck := make(chan struct{})
	before := count(b.step)
	patience := time.After(5 * time.Second)
	moment := time.After(b.after)
	go func() {
		defer close(struck)
		if b.step == "" {
			<-moment
			w.strike(b.whom)
			return
		}
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for count(b.step) == before {
			select {
			case <-patience: // what this step is of was not done in this round: then it is a kill afterwards
				w.strike(b.whom)
				return
			case <-tick.C:
			}
		}
		w.strike(b.whom)
	}()
	return struck
}

func count(pattern string) int {
	found, _ := filepath.Glob(pattern)
	return len(found)
}

// strike kills, and waits until the killed are dead.
func (w *crashWorld) strike(whom string) {
	if whom == "daemon" {
		w.victim()
		return
	}
	if whom == "agent" || whom == "both" {
		_ = w.agent.cmd.Process.Kill()
	}
	var pids []int
	switch whom {
	case "keeper", "both":
		pids = slices.DeleteFunc(pidsWith(w.dir), func(pid int) bool {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			return !bytes.Contains(line, []byte("\x00keeper\x00"))
		})
	case "runtime":
		pids = pidsWith(filepath.Join(w.runDir(), "runtime"))
	}
	for _, pid := range pids {
		killed(pid)
	}
	for _, pid := range pids {
		untilDead(pid)
	}
}

// killed sends SIGKILL to a process, which may be gone.
func killed(pid int) { _ = unix.Kill(pid, unix.SIGKILL) }

// untilDead waits until a process that was killed is dead, or 10 s.
func untilDead(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it is gone
	}
	defer func() { _ = unix.Close(fd) }()
	const patience = 10_000 // ms
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// revive starts the next agent after one was killed.
func (w *crashWorld) revive(b blow) {
	w.t.Helper()
	if b.whom == "agent" || b.whom == "both" {
		<-w.agent.done
		w.startAgent()
	}
}

// ask starts tasks one after the other, while there may come a kill.
func (w *crashWorld) ask(round string, blows ...blow) []string {
	w.t.Helper()
	var waits []<-chan struct{}
	for i := range blows {
		waits = append(waits, w.arm(&blows[i]))
	}
	var arns []string
	for i := range crashTasks {
		arns = append(arns, w.run(w.families[i%len(w.families)], fmt.Sprintf("%s.%d", round, i)))
	}
	for _, struck := range waits {
		<-struck
	}
	return arns
}

// halt stops tasks one after the other, while there comes a kill.
func (w *crashWorld) halt(arns []string, b blow) {
	w.t.Helper()
	struck := w.arm(&b)
	for _, arn := range arns {
		w.stop(arn)
	}
	<-struck
}

// look notes how far each start had come.
func (w *crashWorld) look(arns []string, phases map[string]int) {
	w.t.Helper()
	tasks := describe(w.t, w.c, arns)
	for i := range tasks {
		id := shortID(*tasks[i].TaskArn)
		phase := "0 nothing"
		for _, p := range []struct{ name, pattern string }{
			{"1 ledger", w.dir + "/ports/" + id + "*"},
			{"2 container's directory", w.runDir() + "/containers/" + id + "-*"},
			{"3 image held", w.dir + "/images/uses/" + id + "-*"},
			{"4 task's directory", w.runDir() + "/tasks/" + id},
			{"5 network", w.dir + "/network/netns/" + id + "*"},
			{"6 configuration", w.runDir() + "/containers/" + id + "-*/config.json"},
			{"7 runtime begun", w.runDir() + "/containers/" + id + "-*/log"},
			{"8 runtime's state", w.runDir() + "/runtime/" + id + "-*/state.json"},
			{"9 runtime done", w.runDir() + "/containers/" + id + "-*/pid"},
		} {
			if count(p.pattern) > 0 {
				phase = p.name
			}
		}
		if aws.ToString(tasks[i].LastStatus) == "RUNNING" {
			phase = "running, and the store knows"
		}
		phases[phase]++
	}
}

// agreed waits until tasks have settled. Where not only the agent was killed it waits, too, until each that is told to run
// does and no other has a process: the kill of the runtime may come to what it has become by then, a container that has
// just begun, of whose end the agent has yet to hear; and a keeper tells of the end of what it kills before that is dead.
func (w *crashWorld) agreed(b blow, arns []string) []types.Task {
	w.t.Helper()
	tasks := w.settled(arns, false)
	if b.whom == "agent" {
		return tasks
	}
	eventually(w.t, "tasks and processes agree", func() bool {
		tasks = w.settled(arns, false)
		return !slices.ContainsFunc(tasks, func(t types.Task) bool {
			alive := w.processes(shortID(*t.TaskArn)+"-app-0") > 0
			return alive != (aws.ToString(t.LastStatus) == "RUNNING")
		})
	})
	return tasks
}

// judgeStarted wants each task to run exactly once, or to be over with a reason where that is nobody's fault.
func (w *crashWorld) judgeStarted(round int, b blow, tasks []types.Task) {
	w.t.Helper()
	runc, kept := w.runc(), w.kept()
	for i := range tasks {
		task := &tasks[i]
		id := shortID(*task.TaskArn) + "-app-0"
		want, status := 1, aws.ToString(task.LastStatus)
		if status == "STOPPED" {
			want = 0
			if b.whom == "agent" {
				w.t.Errorf("%s: a task did not outlive it: %s", b.name, brief(tasks[i:i+1]))
			}
			if why(task) == "" {
				w.t.Errorf("%s: a task stopped and does not say why: %s", b.name, brief(tasks[i:i+1]))
			}
		}
		if n := w.processes(id); n != want {
			w.t.Errorf("%s: %d processes of a task that is %s", b.name, n, status)
		}
		if (runc[id] == "running") != (want == 1) {
			w.t.Errorf("%s: runc says %q of a task that is %s", b.name, runc[id], status)
		}
		alive := 0
		for _, s := range kept {
			if strings.HasPrefix(s.ID, shortID(*task.TaskArn)) && s.State != driver.Exited {
				alive++
			}
		}
		if alive != want {
			w.t.Errorf("%s: the keeper tells of %d containers of a task that is %s", b.name, alive, status)
		}
		tally := fmt.Sprintf("%d.%d", round, i)
		if want == 1 {
			w.noted(tally)
		}
		if n := w.started(tally); n > 1 {
			w.t.Errorf("%s: a task that is %s was started %d times", b.name, status, n)
		}
	}
}

// judgeStopped wants each task to be over, with its exit code if somebody could see it.
func (w *crashWorld) judgeStopped(b blow, tasks []types.Task) {
	w.t.Helper()
	runc := w.runc()
	for i := range tasks {
		c := &tasks[i].Containers[0]
		seen := b.whom == "agent" || b.whom == "runtime"
		if c.ExitCode == nil && (seen || aws.ToString(c.Reason) == "") || c.ExitCode != nil && *c.ExitCode != 0 {
			w.t.Errorf("%s: a task that was stopped says %s", b.name, brief(tasks[i:i+1]))
		}
		id := shortID(*tasks[i].TaskArn) + "-app-0"
		if n := w.processes(id); n != 0 || runc[id] == "running" {
			w.t.Errorf("%s: a task is STOPPED and has %d processes; runc says %q", b.name, n, runc[id])
		}
	}
	w.empty(b.name+": left of stopped tasks", w.left)
	w.wantKept()
}
