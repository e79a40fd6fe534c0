package drivertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/maitred/maitred/internal/driver"
)

// testCase is one thing that an agent relies on.
type testCase struct {
	name  string
	needs func(Harness) bool // nil: nothing
	run   func(*bench)
}

func processes(h Harness) bool { return h.Processes }

func cases() []testCase {
	return []testCase{
		{"exit codes", nil, exitCodes},
		{"a container runs until it is stopped", nil, runsUntilStopped},
		{"the stop signal of the spec", nil, stopSignal},
		{"kill of a program that ignores SIGTERM", nil, killStubborn},
		{"an id starts once", nil, startsOnce},
		{"an id starts once, asked for at the same time", nil, startsOnceConcurrently},
		{"what is gone is no error", nil, goneIsNoError},
		{"a running container is not removed", nil, runningNotRemoved},
		{"a program that does not exist", nil, absentProgram},
		{"another connection sees everything", nil, reconnect},
		{"watch begins with what is and goes on in order", nil, watchOrder},
		{"a broken watch returns, and the next one misses nothing", func(h Harness) bool { return h.Break != nil }, watchBreak},
		{"watch ends with its context", nil, watchEnds},
		{"logs", nil, logs},
		{"exec", nil, execs},
		{"exec that is cut short", nil, execTimeout},
		{"exec in what does not run", nil, execGone},
		{"environment", func(h Harness) bool { return h.CleanEnv }, environment},
		{"working directory and descriptors", processes, surroundings},
		{"usage", processes, usage},
		{"fifty at the same time", nil, fifty},
		{"what leaves the session is killed too", processes, leavesSession},
		{"refuse", nil, refuse},
	}
}

func exitCodes(b *bench) {
	for _, code := range []int{0, 3, 137} {
		s := b.run(fmt.Sprintf("exit-%d", code), "exit", fmt.Sprint(code))
		b.wantExit(s, code)
	}
}

func runsUntilStopped(b *bench) {
	s := b.start(b.spec("a", "trap", "terminated", "7"))
	b.equal("state after Start", s.State, driver.Running)
	if s.StartedAt.IsZero() || s.ExitCode != nil || s.RuntimeID == "" {
		b.t.Errorf("Start = %+v, want a start time, a runtime id and no exit code", s)
	}
	b.awaitLog("a", "ready")
	if err := b.d.Signal(b.ctx, "a", ""); err != nil {
		b.t.Fatalf("Signal = %v", err)
	}
	b.wantExit(b.awaitEnd("a"), 7)
}

func stopSignal(b *bench) {
	spec := b.spec("a", "trap", "hangup", "8")
	spec.StopSignal = "SIGHUP"
	b.start(spec)
	b.awaitLog("a", "ready")
	if err := b.connect().Signal(b.ctx, "a", ""); err != nil {
		b.t.Fatalf("Signal = %v", err)
	}
	b.wantExit(b.awaitEnd("a"), 8)

	b.start(b.spec("b", "trap", "user defined signal 1", "9"))
	b.awaitLog("b", "ready")
	if err := b.d.Signal(b.ctx, "b", "SIGUSR1"); err != nil {
		b.t.Fatalf("Signal = %v", err)
	}
	b.wantExit(b.awaitEnd("b"), 9)
	b.start(b.spec("c", "sleep"))
	if err := b.d.Signal(b.ctx, "c", "SIGNONSENSE"); err == nil {
		b.t.Error("Signal(SIGNONSENSE) = nil, want an error")
	}
}

func killStubborn(b *bench) {
	b.start(b.spec("a", "stubborn"))
	b.awaitLog("a", "ready")
	if err := b.d.Signal(b.ctx, "a", ""); err != nil {
		b.t.Fatalf("Signal = %v", err)
	}
	// An exec that ran to its end after the signal shows that the program outlived it.
	if code, _, err := driver.Output(b.ctx, b.d, "a", b.h.Command("exit", "0")); code != 0 || err != nil {
		b.t.Errorf("Exec after an ignored signal = %d, %v, want 0", code, err)
	}
	if s, _ := b.state("a"); s.State != driver.Running {
		b.t.Errorf("after an ignored signal it is %s, want running", s.State)
	}
	b.kill("a")
	b.wantExit(b.awaitEnd("a"), 137)
	b.kill("a")
}

func startsOnce(b *bench) {
	first := b.start(b.spec("a", "sleep"))
	b.equal("second Start", b.start(b.spec("a", "exit", "3")), first)
	b.kill("a")
	end := b.awaitEnd("a")
	b.equal("Start after the end", b.start(b.spec("a", "sleep")), end)
	b.wantExit(end, 137)
}

func startsOnceConcurrently(b *bench) {
	var all sync.WaitGroup
	got := make([]driver.Status, 8)
	errs := make([]error, len(got))
	spec := b.spec("a", "sleep")
	for i := range got {
		all.Go(func() { got[i], errs[i] = b.d.Start(b.ctx, spec) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		b.t.Fatalf("Start = %v", err)
	}
	for _, s := range got {
		b.equal("runtime id", s.RuntimeID, got[0].RuntimeID)
	}
}

func goneIsNoError(b *bench) {
	if err := errors.Join(
		b.d.Kill(b.ctx, "never"), b.d.Signal(b.ctx, "never", "SIGTERM"), b.d.Remove(b.ctx, "never"),
	); err != nil {
		b.t.Errorf("Kill, Signal and Remove of what never was = %v, want nil", err)
	}
	b.run("a", "exit", "0")
	if err := errors.Join(b.d.Signal(b.ctx, "a", ""), b.d.Kill(b.ctx, "a")); err != nil {
		b.t.Errorf("Signal and Kill of what has ended = %v, want nil", err)
	}
	b.remove("a")
	b.remove("a")
	if _, err := driver.Text(b.d.Logs(b.ctx, "a", driver.LogOptions{})); err == nil {
		b.t.Error("Logs after Remove = nil, want an error")
	}
}

func runningNotRemoved(b *bench) {
	b.start(b.spec("a", "sleep"))
	if err := b.d.Remove(b.ctx, "a"); err == nil {
		b.t.Error("Remove of a running container = nil, want an error")
	}
	if s, ok := b.state("a"); !ok || s.State != driver.Running {
		b.t.Errorf("after a refused Remove it is %q, want running", s.State)
	}
}

func absentProgram(b *bench) {
	_, err := b.d.Start(b.ctx, driver.Spec{ID: "a", Definition: b.h.Absent})
	var failure *driver.Failure
	if !errors.As(err, &failure) {
		b.t.Fatalf("Start of what does not exist = %v, want a *driver.Failure", err)
	}
	if !strings.HasPrefix(failure.Name, "Cannot") || !strings.HasPrefix(err.Error(), failure.Name+": ") {
		b.t.Errorf("Start = %q, want ECS's name of the error first", err)
	}
	if s, ok := b.state("a"); ok && s.State != driver.Exited {
		b.t.Errorf("after a failed start it is %s, want gone or exited", s.State)
	}
}

func reconnect(b *bench) {
	b.run("a", "exit", "3")
	b.start(b.spec("b", "sleep"))
	before := b.list()
	after, err := b.connect().List(b.ctx)
	if err != nil {
		b.t.Fatalf("List = %v", err)
	}
	b.equal("List of another connection", after, before)
	b.equal("its length", len(after), 2)
}

// follow collects what a watch says into a channel, until the test ends.
func (b *bench) follow(d driver.Driver) (<-chan driver.Status, func() error) {
	seen := make(chan driver.Status, 100)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(b.ctx)
	go func() { ended <- d.Watch(ctx, func(s driver.Status) { seen <- s }) }()
	b.t.Cleanup(cancel)
	return seen, func() error { return <-ended }
}

func (b *bench) next(seen <-chan driver.Status) driver.Status {
	b.t.Helper()
	select {
	case s := <-seen:
		return s
	case <-b.ctx.Done():
		b.t.Fatal("the watch said nothing more")
		return driver.Status{}
	}
}

func watchOrder(b *bench) {
	b.start(b.spec("a", "sleep"))
	end := b.run("b", "exit", "3")
	seen, _ := b.follow(b.d)
	first := []driver.Status{b.next(seen), b.next(seen)}
	slices.SortFunc(first, func(x, y driver.Status) int { return strings.Compare(x.ID, y.ID) })
	b.equal("the present state", first, b.list())
	b.equal("of the ended one", first[1], end)
	b.start(b.spec("c", "trap", "terminated", "4"))
	s := b.next(seen)
	for s.State == driver.Starting {
		s = b.next(seen)
	}
	b.equal("the first change", s.ID+" "+string(s.State), "c running")
	b.kill("a")
	s = b.next(seen)
	b.equal("the second change", s.ID, "a")
	b.wantExit(s, 137)
}

func watchBreak(b *bench) {
	b.start(b.spec("a", "sleep"))
	seen, ended := b.follow(b.d)
	b.next(seen)
	b.h.Break(b.t)
	if err := ended(); err == nil {
		b.t.Error("a broken Watch = nil, want an error")
	}
	// Whoever asks at once may be given a connection that was cut and is not known to be; agents ask again.
	for b.d.Kill(b.ctx, "a") != nil && b.ctx.Err() == nil {
	}
	if s := b.awaitEnd("a"); s.ID != "a" {
		b.t.Errorf("after the break, the watch says %+v", s)
	}
}

func watchEnds(b *bench) {
	ctx, cancel := context.WithCancel(b.ctx)
	b.start(b.spec("a", "sleep"))
	err := b.d.Watch(ctx, func(driver.Status) { cancel() })
	if !errors.Is(err, context.Canceled) {
		b.t.Errorf("Watch whose context ended = %v, want context.Canceled", err)
	}
}

func logs(b *bench) {
	b.run("a", "print", "one", "two", "three")
	got, want := strings.SplitAfter(b.log("a"), "\n"), []string{"one\n", "two\n", "three\n", ""}
	if b.h.TwoStreams {
		got = slices.DeleteFunc(got, func(line string) bool { return line == "two\n" })
		want = slices.Delete(want, 1, 2)
		b.equal("whether what went to standard error is there", strings.Contains(b.log("a"), "two\n"), true)
	}
	b.equal("the log of an ended container", got, want)
	b.run("b", "flood", "5000")
	b.equal("the length of a long log", len(b.log("b")), 500_000)
	b.start(b.spec("c", "stubborn"))
	b.awaitLog("c", "ready\n")
}

func execs(b *bench) {
	b.start(b.spec("a", "sleep"))
	code, output, err := driver.Output(b.ctx, b.d, "a", b.h.Command("print", "hello"))
	if code != 0 || err != nil || string(output) != "hello\n" {
		b.t.Errorf("Exec = %d, %q, %v, want 0, hello", code, output, err)
	}
	if code, _, err := driver.Output(b.ctx, b.d, "a", b.h.Command("exit", "5")); code != 5 || err != nil {
		b.t.Errorf("Exec of what fails = %d, %v, want 5 and no error", code, err)
	}
	if s, _ := b.state("a"); s.State != driver.Running {
		b.t.Errorf("after Exec it is %s, want running", s.State)
	}
}

func execTimeout(b *bench) {
	b.start(b.spec("a", "sleep"))
	ctx, cancel := context.WithCancel(b.ctx)
	result := make(chan error, 1)
	go func() {
		_, _, err := driver.Output(ctx, b.d, "a", b.h.Command("sleep"))
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		b.t.Errorf("Exec whose context ended = %v, want context.Canceled", err)
	}
}

func execGone(b *bench) {
	b.run("a", "exit", "0")
	for _, id := range []string{"a", "never"} {
		if _, _, err := driver.Output(b.ctx, b.d, id, b.h.Command("exit", "0")); err == nil {
			b.t.Errorf("Exec in %s = nil, want an error", id)
		}
	}
}

func environment(b *bench) {
	spec := b.spec("a", "env")
	spec.Env = []string{"B=two words", "A=1", "EMPTY="}
	b.start(spec)
	b.awaitEnd("a")
	b.equal("the environment", b.log("a"), "A=1\nB=two words\nEMPTY=\n")
	b.run("b", "env")
	b.equal("no environment", b.log("b"), "\n")

	spec = b.spec("c", "sleep")
	spec.Env = []string{"A=1"}
	b.start(spec)
	_, output, err := driver.Output(b.ctx, b.d, "c", b.h.Command("env"))
	if err != nil {
		b.t.Fatalf("Exec = %v", err)
	}
	b.equal("the environment of an exec", string(output), "A=1\n")
}

func surroundings(b *bench) {
	dir, err := filepath.EvalSymlinks(b.t.TempDir())
	if err != nil {
		b.t.Fatal(err)
	}
	spec := b.spec("a", "where")
	spec.Definition.WorkingDirectory = dir
	b.start(spec)
	b.awaitEnd("a")
	b.equal("the working directory", b.log("a"), dir+"\n")
	spec = b.spec("b", "where")
	spec.Definition.WorkingDirectory = filepath.Join(dir, "absent")
	if _, err := b.d.Start(b.ctx, spec); err == nil || !strings.Contains(err.Error(), "workingDirectory") {
		b.t.Errorf("Start in a directory that does not exist = %v, want an error that names workingDirectory", err)
	}
	b.run("c", "files")
	b.equal("the open descriptors", b.log("c"), "0 1 2\n")
}

func usage(b *bench) {
	b.start(b.spec("a", "stubborn"))
	b.awaitLog("a", "ready")
	b.run("b", "exit", "0")
	use, err := b.d.Usage(b.ctx)
	if err != nil {
		b.t.Fatalf("Usage = %v", err)
	}
	if len(use) != 1 || use["a"].Memory < 100_000 || use["a"].CPU < 0 {
		b.t.Errorf("Usage = %v, want at least 100 kB of the running container a and nothing else", use)
	}
}

func fifty(b *bench) {
	var all sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		all.Go(func() { _, errs[i] = b.d.Start(b.ctx, b.spec(fmt.Sprintf("c%d", i), "sleep")) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		b.t.Fatalf("Start = %v", err)
	}
	running := 0
	for _, s := range b.list() {
		if s.State == driver.Running {
			running++
		}
	}
	b.equal("running", running, 50)
	for i := range errs {
		all.Go(func() { errs[i] = b.d.Kill(b.ctx, fmt.Sprintf("c%d", i)) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		b.t.Fatalf("Kill = %v", err)
	}
	for i := range errs {
		b.wantExit(b.awaitEnd(fmt.Sprintf("c%d", i)), 137)
	}
}

// leavesSession has a container that runs on, beside two that leave a process behind: one that ends, one that is killed.
func leavesSession(b *bench) {
	innocent := b.start(b.spec("innocent", "sleep"))
	b.start(leaver(b, "ends", "0"))
	b.start(leaver(b, "killed", "-"))
	b.awaitLog("killed", "left")
	b.awaitEnd("ends")
	b.awaitGone(leftPid(b, "ends"))
	pid := leftPid(b, "killed")
	if _, err := os.Stat("/proc/" + pid); err != nil {
		b.t.Errorf("a process left behind by a running container is gone: %v", err)
	}
	b.kill("killed")
	b.awaitEnd("killed")
	b.awaitGone(pid)
	if s, _ := b.state("innocent"); s.State != driver.Running || s.RuntimeID != innocent.RuntimeID {
		b.t.Errorf("the other container is %s, want running", s.State)
	}
}

// leaver has an environment of its own, as the containers of an agent do.
func leaver(b *bench, id, code string) driver.Spec {
	spec := b.spec(id, "session", code, "sleep")
	spec.Env = []string{"CONTAINER=" + id}
	return spec
}

// leftPid finds the pid of a process left behind in the log.
func leftPid(b *bench, id string) string {
	b.t.Helper()
	fields := strings.Fields(b.log(id))
	if len(fields) != 2 || fields[0] != "left" {
		b.t.Fatalf("the log of %s is %q, want left and a pid", id, fields)
	}
	return fields[1]
}

func refuse(b *bench) {
	def := b.h.Container("exit", "0")
	task := definition(def)
	if reason := b.d.Refuse(task); reason != "" {
		b.t.Errorf("Refuse of what the suite runs = %q, want nothing", reason)
	}
	def.Unmet = []string{"linuxParameters.devices"}
	if reason := b.d.Refuse(definition(def)); !strings.Contains(reason, "linuxParameters.devices") {
		b.t.Errorf("Refuse of an unmet member = %q, want its name in it", reason)
	}
}
