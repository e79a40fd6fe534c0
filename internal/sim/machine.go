package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// machine is a computer with its agent. The life of each task is the production agent's; its shell, which carries out
// what a life wants and writes what it observed, is simulated, and so are the containers.
type machine struct {
	w      *world
	id     string
	record model.Machine
	power  bool
	life   int // counts the starts of the agent; what an earlier one planned does not happen
	store  *store.Store
	cut    time.Time // until then the store cannot be reached
	next   time.Time // when the agent looks at what is wanted, zero for never
	tasks  map[string]*life

	outbox  map[string]*model.Observed // what was observed and not written yet
	sending bool

	containers map[string]*container // by id; they outlive the agent
	ports      map[string]int        // host ports that were chosen, by task
}

// life is the life of a task in this run of the agent.
type life struct {
	*lifecycle.Life
	wake time.Time
}

// newMachine adds a machine to the fleet.
func (w *world) newMachine() {
	id := fmt.Sprintf("m%d", len(w.fleet)+1)
	size := model.Resources{CPU: 64 * 1024, Memory: 64 * 1024, Ports: []int{22}}
	if w.faults.Tight && !w.calm {
		size.CPU = 256 * (2 + w.rng.IntN(8))
	}
	m := &machine{
		w: w, id: id, power: true, containers: map[string]*container{}, ports: map[string]int{},
		record: model.Machine{
			ID: id, Host: id, Address: fmt.Sprintf("10.0.0.%d", len(w.fleet)+1), Driver: "sim", Capacity: size, JoinedAt: w.now,
			Attributes: map[string]string{model.AttributeZone: pick(w, []string{"a", "b"})},
		},
	}
	w.fleet = append(w.fleet, m)
	w.after(w.between(0, 2*time.Second), m.boot)
}

// boot starts the agent.
func (m *machine) boot() {
	if !m.power || m.store != nil {
		return
	}
	st, err := store.OpenSync(m.w.ctx, m.w.backend, store.Scope{Machine: m.id})
	if err != nil {
		panic(err)
	}
	m.life++
	m.store, m.tasks, m.outbox, m.sending = st, map[string]*life{}, map[string]*model.Observed{}, false
	m.w.tell("the agent of %s is up", m.id)
	m.connect(true)
	m.wake(0)
}

// connect writes that the agent came or goes.
func (m *machine) connect(connected bool) {
	record := m.record
	record.Connected, record.SeenAt = connected, m.w.now
	err := m.write(&record)
	if err != nil && connected {
		m.later(time.Second, func() { m.connect(true) })
	}
}

// write puts records into the store.
func (m *machine) write(records ...model.Record) (err error) {
	if m.w.now.Before(m.cut) {
		return errDown
	}
	m.w.backend.as(actor{machine: m}, func() {
		_, err = m.store.Update(m.w.ctx, func(tx *store.Tx) error {
			for _, r := range records {
				tx.Put(r)
			}
			return nil
		})
	})
	return err
}

// later plans something for this run of the agent.
func (m *machine) later(d time.Duration, do func()) {
	life := m.life
	m.w.after(d, func() {
		if m.life == life && m.store != nil {
			do()
		}
	})
}

// concerned says whether a transaction is about the machine's tasks.
func (m *machine) concerned(txn *store.Txn) bool {
	mine := func(k model.Key) bool {
		return k.Kind == model.KindTask && strings.HasPrefix(k.Path, m.id) && strings.HasPrefix(k.Path[len(m.id):], "/")
	}
	return slices.ContainsFunc(txn.Puts, func(p store.Put) bool { return mine(p.Key) }) || slices.ContainsFunc(txn.Deletes, mine)
}

// wake makes the agent look at what is wanted.
func (m *machine) wake(d time.Duration) {
	at := m.w.now.Add(d)
	if at.Before(m.cut) {
		at = m.cut
	}
	if m.store == nil || !m.next.IsZero() && !m.next.After(at) {
		return
	}
	m.next = at
	m.later(at.Sub(m.w.now), func() {
		if m.next.Equal(at) {
			m.look()
		}
	})
}

// look compares what is wanted with what there is.
func (m *machine) look() {
	m.next = time.Time{}
	if m.w.now.Before(m.cut) {
		m.wake(0)
		return
	}
	if _, err := m.store.Pump(m.w.ctx); err != nil {
		panic(err)
	}
	v := m.store.View()
	for t := range v.TasksOnMachine(m.id) {
		l := m.tasks[t.ARN]
		if l != nil && l.Task() == t.Task || l == nil && t.Stopped() && !m.knows(t.ARN) {
			continue
		}
		if l == nil {
			found := m.found(t.ARN)
			def, ok := v.TaskDefinition(t.TaskDefinition)
			if !ok {
				continue
			}
			l = &life{Life: lifecycle.New(t.Task, def, m.holdings(t.ARN, def), t.Seen, found, m.w.now, options())}
			m.tasks[t.ARN] = l
		}
		l.Want(t.Task)
		m.step(t.ARN)
	}
}

// holdings are the host ports of a task, the same after a restart. No other task gets one that was chosen.
func (m *machine) holdings(task string, def *model.TaskDefinition) lifecycle.Holdings {
	h := lifecycle.Holdings{Bindings: map[string][]model.PortBinding{}}
	for _, c := range def.Containers {
		for _, p := range c.Ports {
			port := p.HostPort
			if port == 0 {
				if m.ports[task] == 0 {
					m.ports[task] = 32768 + len(m.ports)
				}
				port = m.ports[task]
			}
			h.Bindings[c.Name] = append(h.Bindings[c.Name], model.PortBinding{
				Address: m.record.Address, ContainerPort: p.ContainerPort, HostPort: port, Protocol: p.Protocol,
			})
		}
	}
	return h
}

// options are the production agent's, a little faster.
func options() lifecycle.Options {
	o := lifecycle.DefaultOptions()
	o.StopTimeout = 5 * time.Second
	return o
}

// step lets a life go on.
func (m *machine) step(task string) {
	l := m.tasks[task]
	plan := l.Step(m.w.now)
	for _, a := range plan.Actions {
		m.act(l.Task(), a)
	}
	if plan.Seen != nil {
		m.outbox[task] = plan.Seen
		m.send(m.w.between(0, m.w.faults.lag(20*time.Millisecond)))
	}
	if plan.Wake.IsZero() || l.wake.After(m.w.now) && !l.wake.After(plan.Wake) {
		return
	}
	l.wake = plan.Wake
	m.later(plan.Wake.Sub(m.w.now), func() {
		if m.tasks[task] == l {
			m.step(task)
		}
	})
}

// send writes what was observed: all of it at once, and again until it is known to be written.
func (m *machine) send(d time.Duration) {
	if m.sending {
		return
	}
	m.sending = true
	if at := m.w.now.Add(d); at.Before(m.cut) {
		d = m.cut.Sub(m.w.now)
	}
	m.later(d, func() {
		m.sending = false
		var records []model.Record
		for _, task := range slices.Sorted(maps.Keys(m.outbox)) {
			records = append(records, m.outbox[task])
		}
		if len(records) > 50 {
			records = records[:50]
		}
		sent := m.write(records...)
		if sent == nil && m.w.chance(0.02) {
			sent = m.write(records...) // twice
		}
		if sent == nil {
			for _, r := range records {
				delete(m.outbox, r.(*model.Observed).Task)
			}
		}
		if len(m.outbox) > 0 {
			m.send(m.w.between(100*time.Millisecond, time.Second))
		}
	})
}

// stop ends the agent, as kill -9 does: containers run on.
func (m *machine) stop() {
	m.store.Close()
	m.store, m.next = nil, time.Time{}
}

// restart ends the agent and starts it again.
func (m *machine) restart(after time.Duration) {
	if m.store == nil {
		return
	}
	if orderly := m.w.chance(0.5); orderly {
		m.connect(false)
	}
	m.w.tell("the agent of %s ends for %v", m.id, after)
	m.stop()
	m.w.after(after, m.boot)
}

// powerCut ends everything on the machine for a while.
func (m *machine) powerCut(d time.Duration) {
	if !m.power {
		return
	}
	m.w.tell("%s loses power for %v", m.id, d)
	if m.store != nil {
		m.stop()
	}
	m.power = false
	for _, id := range sortedKeys(m.containers) {
		m.w.hangsUp(m.containers[id], false)
	}
	clear(m.containers)
	m.w.after(d, func() {
		m.power = true
		m.boot()
	})
}

// cutOff separates the agent from the store for a while, or for longer if it is already.
func (m *machine) cutOff(d time.Duration) {
	m.w.tell("%s is cut off for %v", m.id, d)
	if until := m.w.now.Add(d); until.After(m.cut) {
		m.cut = until
	}
}
