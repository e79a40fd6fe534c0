// Package drivertest is the conformance suite of drivers: what an agent relies on, whatever runs the containers.
//
// A driver's test calls Run with a harness that says how to reach the driver, how its containers run the suite's test
// program, and what the driver can do.
package drivertest

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// Harness is one driver under test; each case gets its own, with no container.
type Harness struct {
	// Connect makes another driver to the same containers. The suite closes it.
	Connect func(t *testing.T) driver.Driver
	// Container runs the test program (see Program) with these words.
	Container func(words ...string) model.ContainerDefinition
	// Command is the command by which an exec runs the test program.
	Command func(words ...string) []string
	// Absent is a container whose program does not exist.
	Absent model.ContainerDefinition
	// Processes says that containers are processes of this machine, seen by their pids (Status.RuntimeID).
	Processes bool
	// CleanEnv says that a program's environment is exactly the spec's.
	CleanEnv bool
	// TwoStreams says that a log keeps the order of each of standard output and error, and not that between them.
	TwoStreams bool
	// NoStreams says that an exec has outputs alone: neither input nor a terminal.
	NoStreams bool
	// LateSize says that a terminal of an exec has no size at first, and the one that was asked for a moment later.
	LateSize bool
	// Dir is a directory of a container that files are copied into; "" where there are no files.
	Dir string
	// KeepsFiles says that files can be copied out of and into what has ended.
	KeepsFiles bool
	// Clock is how far apart the times may lie that are told of one moment, by a watch and by a list.
	Clock time.Duration
	// Patience is how long a case may take; 0 is 30 s.
	Patience time.Duration
	// Break breaks the drivers' streams as a crash of what runs the containers does; nil if that cannot be done.
	Break func(t *testing.T)
	// Leaks fails the test if something is left over, after all containers were removed; nil if that cannot be told.
	Leaks func(t *testing.T)
}

// patience bounds each case, unless the harness has more; nothing depends on how long something takes below it.
const patience = 2 * time.Minute

// Run runs the suite. The harness is made for each case.
func Run(t *testing.T, harness func(t *testing.T) Harness) {
	for _, c := range slices.Concat(cases(), execCases(), fileCases()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := begin(t, harness(t))
			if c.needs != nil && !c.needs(b.h) {
				t.Skip("the driver does not claim to be able to")
			}
			c.run(b)
			b.end()
		})
	}
}

// bench is a driver under test with what a case needs.
type bench struct {
	t   *testing.T
	ctx context.Context
	h   Harness
	d   driver.Driver
}

func begin(t *testing.T, h Harness) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), max(h.Patience, patience))
	t.Cleanup(cancel)
	b := &bench{t: t, ctx: ctx, h: h}
	b.d = b.connect()
	return b
}

// connect makes another connection, closed when the test ends.
func (b *bench) connect() driver.Driver {
	b.t.Helper()
	d := b.h.Connect(b.t)
	b.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			b.t.Errorf("Close: %v", err)
		}
	})
	return d
}

// end removes all containers and looks for what is left.
func (b *bench) end() {
	b.t.Helper()
	for _, s := range b.list() {
		b.kill(s.ID)
		b.awaitEnd(s.ID)
		b.remove(s.ID)
	}
	if left := b.list(); len(left) > 0 {
		b.t.Errorf("after Remove of all, List = %v, want nothing", left)
	}
	if b.h.Leaks != nil {
		b.h.Leaks(b.t)
	}
}

// spec is a container that runs the test program.
func (b *bench) spec(id string, words ...string) driver.Spec {
	return driver.Spec{
		ID: id, Task: "arn:aws:ecs:us-east-1:000000000000:task/default/" + id, Definition: b.h.Container(words...),
	}
}

// start starts a container that must start.
func (b *bench) start(spec driver.Spec) driver.Status {
	b.t.Helper()
	s, err := b.d.Start(b.ctx, spec)
	if err != nil {
		b.t.Fatalf("Start(%s) = %v", spec.ID, err)
	}
	return s
}

// run starts the test program and waits for its end.
func (b *bench) run(id string, words ...string) driver.Status {
	b.t.Helper()
	b.start(b.spec(id, words...))
	return b.awaitEnd(id)
}

func (b *bench) list() []driver.Status {
	b.t.Helper()
	all, err := b.d.List(b.ctx)
	if err != nil {
		b.t.Fatalf("List = %v", err)
	}
	return all
}

func (b *bench) kill(id string) {
	b.t.Helper()
	if err := b.d.Kill(b.ctx, id); err != nil {
		b.t.Fatalf("Kill(%s) = %v", id, err)
	}
}

func (b *bench) remove(id string) {
	b.t.Helper()
	if err := b.d.Remove(b.ctx, id); err != nil {
		b.t.Fatalf("Remove(%s) = %v", id, err)
	}
}

// state finds a container in the list.
func (b *bench) state(id string) (driver.Status, bool) {
	b.t.Helper()
	all := b.list()
	i := slices.IndexFunc(all, func(s driver.Status) bool { return s.ID == id })
	if i < 0 {
		return driver.Status{}, false
	}
	return all[i], true
}

// awaitEnd waits by the watch for a container's end.
func (b *bench) awaitEnd(id string) driver.Status {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var found driver.Status
	err := b.d.Watch(ctx, func(s driver.Status) {
		if s.ID == id && s.State == driver.Exited && ctx.Err() == nil {
			found = s
			cancel()
		}
	})
	if found.ID == "" {
		b.t.Fatalf("the end of container %s was not seen: %v", id, err)
	}
	return found
}

// log reads a container's log.
func (b *bench) log(id string) string {
	b.t.Helper()
	text, err := driver.Text(b.d.Logs(b.ctx, id, driver.LogOptions{}))
	if err != nil {
		b.t.Fatalf("reading the log of %s: %v", id, err)
	}
	return text
}

// awaitLog polls until a log contains a text: a running program's output makes no event.
func (b *bench) awaitLog(id, text string) {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(b.log(id), text) {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.t.Fatalf("the log of %s is %q, want %q in it", id, b.log(id), text)
		}
	}
}

// awaitGone polls until there is no process of a pid, for who was not its parent hears nothing of its end.
func (b *bench) awaitGone(pid string) {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat("/proc/" + pid); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.t.Fatalf("process %s is still there", pid)
		}
	}
}

// definition is a task definition of one container.
func definition(c model.ContainerDefinition) *model.TaskDefinition {
	return &model.TaskDefinition{Family: "test", Revision: 1, NetworkMode: "host", Containers: []model.ContainerDefinition{c}}
}

// wantExit checks how a container ended.
func (b *bench) wantExit(s driver.Status, code int) {
	b.t.Helper()
	got := "none"
	if s.ExitCode != nil {
		got = strconv.Itoa(*s.ExitCode)
	}
	if s.State != driver.Exited || got != strconv.Itoa(code) || s.ExitedAt.IsZero() || s.StartedAt.IsZero() {
		b.t.Errorf("container %s is %s with exit code %s (%s), started %v, exited %v; want exited with %d and both times",
			s.ID, s.State, got, s.Reason, s.StartedAt, s.ExitedAt, code)
	}
}

func (b *bench) equal(what string, got, want any) {
	b.t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(b.h.Clock)); diff != "" {
		b.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
