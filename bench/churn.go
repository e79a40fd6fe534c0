package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	churnRounds  = 3   // at most
	churnSteady  = 16  // targets that stay
	churnMoving  = 240 // targets that come and go
	churnWorkers = 8   // that make calls, each for targets of its own
	churnPerCall = 10  // targets of one call
	churnRate    = 1000
	churnLasts   = 5 * time.Second
	churnConns   = 16
	churnEvery   = 8 * time.Millisecond // between two requests of a connection: 2,000 a second in all
)

// churns measures what clients see of 1,000 changes of targets a second: RegisterTargets and DeregisterTargets by the API,
// and all that follows from them (commit, watch, checks of health, route table, drain). The balancer is in one process with
// all else, as in `maitred up`, and then in one of its own.
func churns(ctx context.Context, w *world) (err error) {
	addresses, back, err := w.startBackend(ctx, churnSteady+churnMoving)
	if err != nil {
		return fmt.Errorf("the backend: %w", err)
	}
	defer func() { err = errors.Join(err, back.stop()) }()
	var failures []error
	rows := []string{
		"| load | requests | failed | p50 | p99 | longest | target changes a second | until all were settled | processor of the balancer's process |",
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
	}
	for _, place := range []struct {
		name  string
		start func(context.Context) (*maitred, error)
	}{{"`maitred up`", w.startAll}, {"`maitred lb`", w.startApart}} {
		m, err := place.start(ctx)
		if err != nil {
			return err
		}
		for _, kind := range []churn{{kind: "HTTP", balancer: "application"}, {kind: "TCP", balancer: "network"}} {
			kind.world, kind.maitred, kind.name = w, m, kind.kind+", "+place.name
			failures = append(failures, kind.all(ctx, addresses))
			rows = append(rows, kind.rows()...)
		}
		if err := errors.Join(append(failures, m.stop())...); err != nil {
			return err
		}
	}
	w.notes = append(w.notes, strings.Join(rows, "\n"))
	return nil
}

// startAll starts all in one process.
func (w *world) startAll(ctx context.Context) (*maitred, error) {
	dir, err := w.dataDir()
	if err != nil {
		return nil, err
	}
	return w.start(ctx, dir)
}

// startApart starts the server, and the balancer as the last of its processes.
func (w *world) startApart(ctx context.Context) (*maitred, error) {
	dir, err := w.dataDir()
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	m := &maitred{api: newAPI("http://" + listen), dir: dir}
	err = m.run(ctx, w.binary, "server", "--data-dir", dir, "--listen", listen)
	if err == nil {
		err = m.ready(ctx)
	}
	if err == nil {
		err = m.run(ctx, w.binary, "lb", "--data-dir", dir)
	}
	if err != nil {
		return nil, errors.Join(err, m.stop())
	}
	return m, nil
}

// churn is changes of one target group's targets under load.
type churn struct {
	*world
	maitred      *maitred
	name         string
	kind         string // HTTP or TCP
	balancer     string // of load balancer
	group        string
	load         load
	moving       []string
	in           int // of the moving targets are registered
	quiet, moved phase
	failure      error // the first
}

// phase is what was measured without changes, or with them.
type phase struct {
	name                  string
	requests, failed      int
	changes               int
	p50, p99, longest     samples // seconds
	cpu                   samples // % of a core
	changing, settleTimes samples // changes a second; seconds
}

// all measures one kind of load balancer.
func (c *churn) all(ctx context.Context, addresses []string) (err error) {
	c.moving = addresses[churnSteady:]
	c.quiet.name, c.moved.name = "without changes", "with changes"
	c.load = load{conns: churnConns, every: churnEvery, fresh: c.kind == "TCP", counts: true, lasts: churnLasts}
	if c.load.address, c.group, err = (elb{c.maitred.api}).balancer(ctx, c.balancer, c.kind, addresses[:churnSteady]...); err != nil {
		return err
	}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	c.tell()
	return c.failure
}

func (c *churn) run(ctx context.Context) error {
	if err := answers(ctx, c.load.address); err != nil {
		return err
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	for i := range min(c.n, churnRounds) {
		c.progress("churn, %s, %d of %d", c.name, i+1, min(c.n, churnRounds))
		if err := c.measure(ctx, &c.quiet, nil); err != nil {
			return fmt.Errorf("without changes: %w", err)
		}
		if err := c.measure(ctx, &c.moved, c.change); err != nil {
			return fmt.Errorf("with changes: %w", err)
		}
	}
	return nil
}

// measure takes the load, and changes targets meanwhile.
func (c *churn) measure(ctx context.Context, p *phase, change func(context.Context) (int, error)) error {
	var got *loaded
	var failed, late error
	var changes int
	began := time.Now()
	cpu, err := (&proxy{pids: func() ([]int, error) { return []int{c.maitred.procs[len(c.maitred.procs)-1].Process.Pid}, nil }}).busy(func() error {
		var both sync.WaitGroup
		both.Go(func() { got, failed = c.load.run(ctx) })
		if change != nil {
			changes, late = change(ctx)
			p.changing.add(float64(changes) / time.Since(began).Seconds())
		}
		both.Wait()
		return errors.Join(failed, late)
	})
	took := time.Since(began)
	if err != nil {
		return err
	}
	p.requests, p.failed, p.changes = p.requests+got.requests+got.failed, p.failed+got.failed, p.changes+changes
	c.failure = cmp.Or(c.failure, got.first)
	p.p50.add(got.times.quantile(0.5))
	p.p99.add(got.times.quantile(0.99))
	p.longest.add(got.times.quantile(1))
	p.cpu.add(cpu / took.Seconds() * 100)
	if change == nil {
		return nil
	}
	ended := time.Now()
	if err := c.settled(ctx); err != nil {
		return err
	}
	p.settleTimes.add(time.Since(ended).Seconds())
	return nil
}

// change registers and deregisters the moving targets for as long as the load lasts. All that were in are out in the end,
// or the other way around.
func (c *churn) change(ctx context.Context) (changes int, err error) {
	calls := int(churnLasts.Seconds() * churnRate / churnPerCall / churnWorkers)
	share := churnMoving / churnWorkers / churnPerCall // calls for all targets of one worker
	rounds := calls/share | 1
	errs := make([]error, churnWorkers)
	var workers sync.WaitGroup
	for i, mine := range slices.Collect(slices.Chunk(c.moving, churnMoving/churnWorkers)) {
		first := time.Now().Add(time.Duration(i) * churnPerCall * time.Second / churnRate) // they take turns
		workers.Go(func() { errs[i] = c.work(ctx, mine, rounds, first, c.in > 0) })
	}
	workers.Wait()
	c.in = churnMoving - c.in
	return rounds * churnMoving, errors.Join(errs...)
}

// work is what one worker does: in each round all of its targets change.
func (c *churn) work(ctx context.Context, mine []string, rounds int, at time.Time, in bool) error {
	e := elb{newAPI(c.maitred.url)}
	defer e.client.CloseIdleConnections()
	for range rounds {
		action := "RegisterTargets"
		if in {
			action = "DeregisterTargets"
		}
		for part := range slices.Chunk(mine, churnPerCall) {
			time.Sleep(time.Until(at)) // what comes late is made up for
			at = at.Add(time.Second * churnPerCall * churnWorkers / churnRate)
			if err := e.targets(ctx, action, c.group, part); err != nil {
				return err
			}
		}
		in = !in
	}
	return nil
}

// settled waits until all registered targets are healthy, and no other is.
func (c *churn) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return wait(ctx, 5*time.Millisecond, func() (bool, error) {
		states, err := (elb{c.maitred.api}).query(ctx, elbVersion, "DescribeTargetHealth", map[string][]string{"TargetGroupArn": {c.group}}, "State")
		healthy := 0
		for _, s := range states {
			if s == "healthy" {
				healthy++
			}
		}
		return healthy == churnSteady+c.in, err
	})
}

// tell makes figures of what was measured.
func (c *churn) tell() {
	kind := fmt.Sprintf("; %s, %d requests a second", c.name, int(churnConns*time.Second/churnEvery))
	what := c.quiet.name
	c.figure(figure{Name: "p50 with 1,000 target changes a second" + kind, Unit: seconds, What: what, Floor: c.quiet.p50, Ours: c.moved.p50, Goal: limit{Ratio: 1.25}})
	c.figure(figure{Name: "p99 with 1,000 target changes a second" + kind, Unit: seconds, What: what, Floor: c.quiet.p99, Ours: c.moved.p99, Goal: limit{Ratio: 2}})
	c.figure(figure{Name: "processor with 1,000 target changes a second" + kind, Unit: percent, What: what, Floor: c.quiet.cpu, Ours: c.moved.cpu})
}

// rows are those of the table.
func (c *churn) rows() (rows []string) {
	for _, p := range []*phase{&c.quiet, &c.moved} {
		changing, settled := "–", "–"
		if p.changes > 0 {
			changing, settled = fmt.Sprintf("%.0f", p.changing.median()), spread(p.settleTimes, seconds)
		}
		rows = append(rows, fmt.Sprintf("| %s, %s | %d | %d | %s | %s | %s | %s | %s | %s |", c.name, p.name, p.requests, p.failed,
			spread(p.p50, seconds), spread(p.p99, seconds), format(p.longest.quantile(1), seconds), changing, settled, spread(p.cpu, percent)))
	}
	return rows
}
