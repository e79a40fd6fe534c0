package whatif

import (
	"context"
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// machine is where all tasks of a simulation are.
const machine = "what-if"

// task is one task of a simulation.
type task struct {
	number int
	id     string    // ARN
	ready  time.Time // it serves from then on
	serves bool
	began  float64 // what run.used was then
	since  int     // and the second
}

// run is a simulation that is under way.
type run struct {
	*world
	load  *Load
	start time.Duration // of tasks
	room  int
	plant plant
	watch *watch

	now      time.Time
	tasks    []*task // oldest first
	started  int     // how many ever were
	wanted   int     // the desired count
	flow     flow    // of the second before
	served   []int   // numbers of the tasks that run
	measured bool    // there is a second before

	// What the minute that is not over has so far.
	used float64 // sum of the CPU by second, over all seconds
	cpu  metrics.Stats
	sums struct{ requests, perTarget float64 }
	slow metrics.Stats // response times
}

// simulate lets a load pass, second by second: tasks whose start is over serve, the scaler takes its turn, tasks are started
// and stopped as the desired count says, and what was measured of the second before becomes known. It becomes known after
// the scaler's turn, as it takes a moment until it is told.
func (r *run) simulate(ctx context.Context) error {
	svc, _ := r.store.View().Service(r.service)
	r.wanted = svc.DesiredCount
	for range min(svc.DesiredCount, r.most()) {
		r.add(r.load.Start)
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	for i := range r.load.Rates {
		r.now = r.load.Start.Add(time.Duration(i) * time.Second)
		if err := r.step(ctx, i); err != nil {
			return fmt.Errorf("at %s: %w", r.now.Format(time.RFC3339), err)
		}
	}
	r.publish(len(r.load.Rates))
	r.watch.end()
	return nil
}

func (r *run) most() int {
	if r.room == 0 {
		return int(^uint(0) >> 1)
	}
	return r.room
}

// begin has the first tasks serve already.
func (r *run) begin(ctx context.Context) error {
	r.now = r.load.Start
	for _, t := range r.tasks {
		if err := r.write(ctx, t.record(r.world), t.seen(r.now)); err != nil {
			return err
		}
	}
	return r.ready(ctx, 0)
}

func (r *run) step(ctx context.Context, i int) error {
	if err := r.ready(ctx, i); err != nil {
		return err
	}
	if err := r.turns(ctx, i); err != nil {
		return err
	}
	r.publish(i)
	r.served = r.served[:0]
	for _, t := range r.tasks {
		if t.serves {
			r.served = append(r.served, t.number)
		}
	}
	r.flow, r.measured = r.plant.second(i, r.served), true
	r.used += r.flow.cpu
	r.watch.second(i, &r.flow, len(r.served), len(r.tasks), r.wanted)
	return nil
}

// mostTurns is how many turns the scaler may want at the same time: after its own writes, and after what the scheduler
// makes of them.
const mostTurns = 8

// turns lets the scaler do what is due, and the scheduler follow.
func (r *run) turns(ctx context.Context, i int) error {
	for range mostTurns {
		next := r.loop.Next()
		due := !next.IsZero() && !next.After(r.now)
		select {
		case <-r.loop.C():
			due = true
		default:
		}
		if !due {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.loop.Turn(ctx, r.now); err != nil {
			return err
		}
		if err := r.follow(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// ready has those tasks serve whose start is over.
func (r *run) ready(ctx context.Context, i int) error {
	for _, t := range r.tasks {
		if t.serves || t.ready.After(r.now) {
			continue
		}
		t.serves, t.began, t.since = true, r.used, i
		if err := r.write(ctx, t.seen(r.now)); err != nil {
			return err
		}
	}
	return nil
}

// follow starts and stops tasks until there are as many as desired, or no room for more. The youngest stop first.
func (r *run) follow(ctx context.Context, i int) error {
	svc, ok := r.store.View().Service(r.service)
	if !ok {
		return nil
	}
	r.wanted = svc.DesiredCount
	for len(r.tasks) < min(r.wanted, r.most()) {
		r.add(r.now.Add(r.start))
		if err := r.write(ctx, r.tasks[len(r.tasks)-1].record(r.world)); err != nil {
			return err
		}
	}
	for len(r.tasks) > r.wanted {
		last := len(r.tasks) - 1
		r.use(r.tasks[last], i)
		if err := r.remove(ctx, r.tasks[last]); err != nil {
			return err
		}
		r.tasks = r.tasks[:last]
	}
	if r.start == 0 {
		return r.ready(ctx, i)
	}
	return nil
}

func (r *run) add(ready time.Time) {
	r.started++
	id := arn.Task(arn.ClusterOf(r.service), fmt.Sprintf("%032x", r.started))
	r.tasks = append(r.tasks, &task{number: r.started, id: id, ready: ready})
}

func (t *task) record(w *world) model.Record {
	return &model.Task{ARN: t.id, Cluster: arn.ClusterOf(w.service), Machine: machine, Service: w.service, Desired: model.TaskRunning}
}

func (t *task) seen(now time.Time) model.Record {
	return &model.Observed{Task: t.id, Machine: machine, Status: model.TaskRunning, StartedAt: now}
}

func (r *run) write(ctx context.Context, records ...model.Record) error {
	return r.update(ctx, func(tx *store.Tx) error {
		for _, x := range records {
			tx.Put(x)
		}
		return nil
	})
}

func (r *run) remove(ctx context.Context, t *task) error {
	return r.update(ctx, func(tx *store.Tx) error {
		tx.Delete(model.TaskKey(machine, t.id))
		if t.serves {
			tx.Delete(t.seen(r.now).Key())
		}
		return nil
	})
}

// use adds what a task used in this minute: one sample for each task, of the seconds in which it served.
func (r *run) use(t *task, until int) {
	if t.serves && until > t.since {
		r.cpu.Add(metrics.One((r.used - t.began) / float64(until-t.since)))
	}
}

// publish makes known what was measured of the second before another one; and of the minute before, when that is over.
func (r *run) publish(i int) {
	if !r.measured {
		return
	}
	before, n, f := int64(i-1), float64(len(r.served)), &r.flow
	per := f.arrived / max(1, n)
	x := &r.rec.fast
	x[cpu].put(before, same(n, f.cpu))
	x[requests].put(before, count(f.arrived))
	x[perTarget].put(before, metrics.One(per))
	times := metrics.Stats{}
	if f.response > 0 {
		times = same(f.served, f.response)
	}
	x[response].put(before, times)
	x[running].put(before, metrics.One(n))
	x[desired].put(before, metrics.One(float64(r.wanted)))
	x[backlog].put(before, metrics.One(f.backlog))
	x[backlogPerTask].put(before, metrics.One(f.backlog/max(1, n)))
	r.sums.requests += f.arrived
	r.sums.perTarget += per
	r.slow.Add(times)
	if i%minute == 0 {
		r.publishMinute(i, before/minute)
	}
}

// count is a set of so many samples of 1, or one of 0.
func count(n float64) metrics.Stats {
	if n == 0 {
		return metrics.One(0)
	}
	return same(n, 1)
}

func (r *run) publishMinute(i int, number int64) {
	serve := 0.0
	for _, t := range r.tasks {
		r.use(t, i)
		t.began, t.since = r.used, i
		if t.serves {
			serve++
		}
	}
	put := func(k kind, s metrics.Stats) { r.rec.slow[k].minutes[number] = s }
	put(cpu, r.cpu)
	put(requests, count(r.sums.requests))
	put(perTarget, metrics.One(r.sums.perTarget))
	put(response, r.slow)
	put(running, metrics.One(serve))
	put(pending, metrics.One(float64(len(r.tasks))-serve))
	put(desired, metrics.One(float64(r.wanted)))
	r.cpu, r.slow = metrics.Stats{}, metrics.Stats{}
	r.sums.requests, r.sums.perTarget = 0, 0
	r.watch.minute(r.rec, number)
}
