package core

import (
	"encoding/binary"
	"slices"

	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
)

// NewRoom is the room in a view: all machines with the tasks on them. Making one costs as much as there are tasks, so
// the shell keeps one and changes it as the view changes. connected says whether a machine's agent is there; nil: as
// the machine's record says.
func NewRoom(v View, connected func(*model.Machine) bool) *place.Room {
	var machines []*model.Machine
	var instances []*model.Instance
	for m := range v.Machines() {
		if m.Connected && connected != nil && !connected(m) {
			silent := *m
			silent.Connected = false
			m = &silent
		}
		machines = append(machines, m)
		instances = slices.AppendSeq(instances, v.InstancesOfMachine(m.ID))
	}
	room := place.New(machines, instances)
	for t := range v.Tasks() {
		room.Add(t)
	}
	return room
}

// room is where this step places tasks. What it takes there is given back at the end: the room mirrors the view, and
// the plan may be refused.
func (s *step) room() *place.Room {
	switch {
	case s.made != nil:
	case s.in.Room != nil:
		s.made = s.in.Room()
	default:
		s.made = NewRoom(s.View, nil)
	}
	return s.made
}

// leave gives back what the step took, in reverse order.
func (s *step) leave() {
	for _, undo := range slices.Backward(s.undo) {
		undo()
	}
	s.undo = nil
}

func (s *step) random() uint64 {
	b := s.in.IDs()
	return binary.BigEndian.Uint64(b[:8])
}

// search prepares to place tasks of a definition.
func (w *work) search(d *model.Deployment, def *model.TaskDefinition) (*place.Search, error) {
	return w.room().Search(place.Request{
		Cluster: w.svc.Cluster, Service: w.svc.ARN, Group: group(w.svc), Demand: place.Demand(def, nil),
		Requires: def.Requires, Zones: d.Network.InZones(), Constraints: slices.Concat(def.Constraints, w.svc.Constraints), Strategy: w.svc.Strategy,
		Refuse: func(m *model.Machine) string { return w.in.Refuse(m, def) },
	})
}

func group(svc *model.Service) string { return "service:" + svc.Name }

// place finds seats for up to n tasks of a definition. If there are too few, it says why and asks to be woken when there
// is room again.
func (w *work) place(d *model.Deployment, def *model.TaskDefinition, n int) []place.Seat {
	search, err := w.search(d, def)
	if err != nil {
		w.unplaced(d, " was unable to place a task. Reason: "+err.Error()+".")
		return nil
	}
	if w.svc.Scheduling == model.Daemon {
		return w.placeDaemons(d, search, n)
	}
	var seats []place.Seat
	for range n {
		seat, ok := search.Place(w.random())
		if !ok {
			w.unplaced(d, search.Explain().Event())
			return seats
		}
		seats = append(seats, seat)
	}
	if !w.unplacedSaid {
		w.resolve(topicPlacement)
	}
	return seats
}

// placeDaemons finds seats on the instances that have no task of the daemon yet.
func (w *work) placeDaemons(d *model.Deployment, search *place.Search, n int) []place.Seat {
	var seats []place.Seat
	taken := map[string]bool{}
	for _, t := range slices.Concat(w.pool.Fresh.All(), w.pool.Stale.All()) {
		taken[t.Instance] = taken[t.Instance] || !w.gone[t.ARN]
	}
	for _, i := range w.sites {
		if taken[i.ARN] || len(seats) == n {
			continue
		}
		seat, misfits := search.PlaceOn(i.ARN)
		if len(misfits) > 0 {
			w.unplaced(d, place.Explanation{Verdicts: []place.Verdict{{Instance: i.ARN, Machine: i.Machine, Misfits: misfits}}}.Event())
			continue
		}
		seats = append(seats, seat)
	}
	return seats
}

// unplaced says that there is no room, unless tasks of this very service are about to make some. Where several tasks find
// none, only the first reason is told: two that take turns would both be news at every look.
func (w *work) unplaced(d *model.Deployment, event string) {
	w.plan.Waiting = append(w.plan.Waiting, w.svc.ARN)
	w.roomless = true
	if d == w.primary && w.noRoom == "" {
		w.noRoom = event
	}
	if w.pool.Leaving == 0 && len(w.gone) == 0 && event != "" && !w.unplacedSaid {
		w.unplacedSaid = true
		w.say(topicPlacement, event)
	}
}

// daemonSites are the instances on which a daemon shall run a task.
func (w *work) daemonSites() []*model.Instance {
	def, ok := w.TaskDefinition(w.primary.TaskDefinition)
	if !ok {
		return nil
	}
	search, err := w.search(w.primary, def)
	if err != nil {
		return nil
	}
	var sites []*model.Instance
	for _, seat := range search.Matching() {
		sites = append(sites, seat.Instance)
	}
	return append(sites, w.lingering()...)
}

// lingering are draining instances on which the daemon runs and is still needed: daemons stop last, when the tasks of
// other services have left ("Amazon ECS services", daemon).
func (w *work) lingering() []*model.Instance {
	var stay []*model.Instance
	for t := range w.TasksOfService(w.svc.ARN) {
		i, ok := w.Instance(t.Instance)
		if ok && t.Alive() && i.Status == model.Draining && w.serves(i) && !slices.Contains(stay, i) {
			stay = append(stay, i)
		}
	}
	return stay
}

// serves says whether tasks of replica services are still on an instance.
func (w *work) serves(i *model.Instance) bool {
	for t := range w.TasksOnMachine(i.Machine) {
		if t.Instance != i.ARN || t.Stopped() || t.Service == "" {
			continue
		}
		if svc, ok := w.Service(t.Service); ok && svc.Scheduling == model.Replica {
			return true
		}
	}
	return false
}

// victims orders healthy tasks by who is missed least when the service shrinks, without the protected ones.
func (w *work) victims(healthy []model.TaskState) []model.TaskState {
	var may, keep []model.TaskState
	for _, t := range healthy {
		if t.Protected(w.in.Now) {
			keep = append(keep, t)
		} else {
			may = append(may, t)
		}
	}
	ordered, err := w.room().Victims(place.ScaleIn{
		Cluster: w.svc.Cluster, Strategy: w.svc.Strategy, Tasks: may, Keep: keep, Random: w.random(),
	}, len(may))
	if err != nil {
		return may
	}
	return ordered
}
