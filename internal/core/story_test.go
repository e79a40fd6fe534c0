package core_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestStories runs the scripts of testdata/stories: services on simulated machines, from the API call to the last
// event. The store, the use cases and the scheduler's loop are those of production; the clock and what the agents
// observe are moved by hand. Each command ends when the scheduler has come to rest, and prints what it said and how
// the services are then. Beside what a story prints, each step of the scheduler is checked, see story.step and rest.
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		t.Parallel()
		s := newStory(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			switch d.Cmd {
			case "do": // one after the other
				return s.each(d, s.act)
			case "at-once": // before the scheduler notices anything
				return s.each(d, s.command) + s.act(&datadriven.TestData{Cmd: "note"})
			}
			return s.act(d)
		})
	})
}

const (
	region  = "eu-west-1"
	account = "123456789012"
)

func scope() arn.Scope { return arn.Scope{Region: region, Account: account} }

// story is the world of one script.
type story struct {
	t       *testing.T
	backend *mem.Backend
	store   *store.Store
	loop    *engine.Loop
	config  engine.Config
	now     time.Time
	drawn   uint64 // ids
	timings model.Timings
	names   map[string]string // short names by ARN or id
	arns    map[string]string // the other way round, of tasks
	tasks   int               // that have names
	said    map[string]int    // the number of the last event that was printed, by service
	shown   map[string]string // the state that was last printed, by service
	pushed  map[string]string // what images' names point to
	planned int               // changes that the scheduler decided on
	last    string            // the last of them
}

func newStory(t *testing.T) *story {
	t.Helper()
	timings, _ := model.TimingsByName("fast")
	s := &story{
		t: t, backend: mem.New(mem.Options{Measure: true}), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), timings: timings,
		names: map[string]string{}, arns: map[string]string{}, said: map[string]int{}, shown: map[string]string{}, pushed: map[string]string{},
	}
	st, err := store.OpenSync(t.Context(), s.backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	s.store = st
	s.config = engine.Config{
		Store: st, Account: account, IDs: s.id, Timings: timings, Resync: 10 * time.Minute, Step: s.step,
		Refuse: refuse, Log: slog.New(slog.DiscardHandler),
	}
	s.update("CreateCluster", func(tx *store.Tx, call control.Call) error {
		tx.Put(&model.Cluster{
			ARN: cluster(), Name: "demo", Region: region, Status: model.Active, CreatedAt: s.now, Cause: call.Cause("demo"),
		})
		return nil
	})
	s.loop = engine.NewLoop(s.config, nil)
	return s
}

func cluster() string { return scope().Cluster("demo") }

func service(name string) string { return arn.Service(cluster(), name) }

// refuse is a driver that cannot run what wants a GPU.
func refuse(m *model.Machine, def *model.TaskDefinition) string {
	if m.Driver == "process" && slices.ContainsFunc(def.Containers, func(c model.ContainerDefinition) bool { return c.GPUs > 0 }) {
		return "the process driver has no GPUs"
	}
	return ""
}

// id counts up, so that what is made later sorts later.
func (s *story) id() (b [16]byte) {
	s.drawn++
	binary.BigEndian.PutUint64(b[:8], s.drawn)
	return b
}

// step is core.Step under guard: it gives the same bytes twice, whatever the order of what is dirty, in the room that
// the loop keeps as in one that is made anew; it leaves the room as it was; and each change fits one transaction.
func (s *story) step(v core.View, in core.Input) core.Plan {
	drawn := s.drawn
	plan := core.Step(v, in)
	after := s.drawn
	again := in
	again.Dirty.Services, again.Dirty.Tasks = slices.Clone(in.Dirty.Services), slices.Clone(in.Dirty.Tasks)
	slices.Reverse(again.Dirty.Services)
	slices.Reverse(again.Dirty.Tasks)
	for _, again.Room = range []func() *place.Room{in.Room, nil} {
		s.drawn = drawn
		other := core.Step(v, again)
		if got, want := encode(s.t, other), encode(s.t, plan); !bytes.Equal(got, want) {
			s.t.Errorf("the same step twice, with its own room: %v: %s", again.Room == nil, cmp.Diff(string(want), string(got)))
		}
	}
	s.drawn = after
	for _, c := range plan.Changes {
		if n := c.Size() + len(c.Guards); n > store.MaxOps {
			s.t.Errorf("a change of %s has %d operations and guards, a transaction takes %d", c.Subject, n, store.MaxOps)
		}
	}
	s.planned += len(plan.Changes)
	if n := len(plan.Changes); n > 0 {
		last, _ := json.Marshal(plan.Changes[n-1])
		s.last = string(last)
	}
	return plan
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// update carries out an API call.
func (s *story) update(operation string, use func(*store.Tx, control.Call) error) string {
	call := control.Call{
		Scope: scope(), Operation: operation, RequestID: fmt.Sprintf("r%d", s.drawn), Principal: scope().Root(), Now: s.now,
		IDs: s.id, Timings: s.timings, Refuse: refuse,
	}
	if _, err := s.store.Update(context.Background(), func(tx *store.Tx) error { return use(tx, call) }); err != nil {
		return err.Error() + "\n"
	}
	return ""
}

// put writes what an agent observed.
func (s *story) put(records ...model.Record) {
	s.t.Helper()
	_, err := s.store.Update(context.Background(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle lets the scheduler take turns until it rests.
func (s *story) settle() {
	s.t.Helper()
	for range 100 {
		if !s.turn(s.loop) {
			return
		}
	}
	s.t.Fatal("the scheduler does not come to rest")
}

func (s *story) turn(l *engine.Loop) (more bool) {
	s.t.Helper()
	more, err := l.Turn(context.Background(), s.now)
	if err != nil {
		s.t.Fatalf("turn: %v", err)
	}
	return more
}

// rest checks what holds whenever the scheduler rests: somebody who looks at everything anew, as a new leader does, finds
// nothing to do; and every change tells why, back to something outside.
func (s *story) rest() {
	s.t.Helper()
	before, drawn := s.planned, s.drawn
	other := engine.NewLoop(s.config, nil)
	defer other.Close()
	s.turn(other)
	s.drawn = drawn
	if s.planned != before {
		s.t.Errorf("a new leader would decide on %d changes, the last of them: %s", s.planned-before, s.last)
	}
	for t := range s.store.View().Tasks() {
		if !t.Start.Complete() {
			s.t.Errorf("task %s does not tell why it was started: %+v", s.name(t.ARN), t.Start.Chain())
		}
		if t.Desired == model.TaskStopped && !t.Stop.Complete() {
			s.t.Errorf("task %s does not tell why it was stopped: %+v", s.name(t.ARN), t.Stop.Chain())
		}
	}
}

// advance moves the clock, from one deadline of the scheduler to the next.
func (s *story) advance(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	idle := 0
	for next := s.loop.Next(); !next.After(end); next = s.loop.Next() {
		if next.After(s.now) {
			s.now, idle = next, 0
		}
		s.settle()
		if idle++; idle > 10 {
			s.t.Fatalf("the scheduler wants to be woken at %v again and again, and then does nothing", next)
		}
	}
	s.now = end
}
