package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	idleFor   = 20 * time.Second // is looked at
	calmAfter = 5 * time.Second  // of what was done before
	services  = 100
	many      = 1000 // services, to tell what one of them takes from the noise
)

// idle measures what maitred takes while nothing happens.
func idle(ctx context.Context, w *world) error {
	floor, err := w.idleFloor(ctx)
	if err != nil {
		return err
	}
	return w.with(ctx, func(ctx context.Context, m *maitred) error { return w.idleAll(ctx, m, floor) })
}

// usage is what processes take.
type usage struct {
	memory
	cpu float64 // percent of a core
}

// watch looks at processes for a while.
func watch(ctx context.Context, pids ...int) (u usage, err error) {
	if err := pause(ctx, calmAfter); err != nil {
		return u, err
	}
	before, err := cpuOf(pids...)
	if err != nil {
		return u, err
	}
	began := time.Now()
	if err := pause(ctx, idleFor); err != nil {
		return u, err
	}
	after, err := cpuOf(pids...)
	if err != nil {
		return u, err
	}
	u.cpu = 100 * (after - before) / time.Since(began).Seconds()
	u.memory, err = memoryOf(pids...)
	return u, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// floors are what idle is compared with.
type floors struct {
	etcd    usage  // a process with the embedded etcd and nothing else
	sleeper memory // the smallest Go process
}

func (w *world) idleFloor(ctx context.Context) (f floors, err error) {
	w.progress("idle: the floor, %v", calmAfter+idleFor)
	dir, err := w.dataDir()
	if err != nil {
		return f, err
	}
	cmd := exec.CommandContext(ctx, w.self, childEtcd, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return f, err
	}
	if err := cmd.Start(); err != nil {
		return f, err
	}
	if _, err = bufio.NewReader(out).ReadString('\n'); err == nil {
		f.etcd, err = watch(ctx, cmd.Process.Pid)
	}
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	if err != nil {
		return f, fmt.Errorf("etcd alone: %w", err)
	}
	cmds, _, err := w.bare(1, 1)
	if err != nil {
		return f, err
	}
	defer end(cmds, syscall.SIGKILL)
	if err := pause(ctx, time.Second); err != nil {
		return f, err
	}
	f.sleeper, err = memoryOf(cmds[0].Process.Pid)
	return f, err
}

func (w *world) idleAll(ctx context.Context, m *maitred, floor floors) error {
	keepers, err := keepersOf(m.dir)
	if err != nil {
		return err
	}
	var pids []int
	for _, p := range m.procs {
		pids = append(pids, p.Process.Pid)
	}
	all := append(append([]int{}, pids...), keepers...)
	w.progress("idle: 0 services, %v", calmAfter+idleFor)
	empty, err := watch(ctx, all...)
	if err != nil {
		return err
	}
	w.idleFigures("0 services", empty, floor)
	if err := w.idleServices(ctx, m, all, floor); err != nil {
		return err
	}
	return w.idleTasks(ctx, m, pids, keepers, floor)
}

func (w *world) idleFigures(name string, u usage, floor floors) {
	const what = "etcd alone in a process"
	rss := w.figure(figure{
		Name: "idle RSS of all together, " + name, Unit: bytes, What: what, Goal: limit{Amount: 60 << 20}, Gate: limit{Amount: 100 << 20},
	})
	rss.Floor.add(floor.etcd.RSS)
	rss.Ours.add(u.RSS)
	pss := w.figure(figure{Name: "the same, shared pages counted once (PSS), " + name, Unit: bytes, What: what})
	pss.Floor.add(floor.etcd.PSS)
	pss.Ours.add(u.PSS)
	anon := w.figure(figure{Name: "of that its own (RssAnon), " + name, Unit: bytes, What: what})
	anon.Floor.add(floor.etcd.Anon)
	anon.Ours.add(u.Anon)
	cpu := w.figure(figure{
		Name: "idle CPU, " + name, Unit: percent, What: what, Goal: limit{Amount: 0.3}, Gate: limit{Amount: 1},
	})
	cpu.Floor.add(floor.etcd.cpu)
	cpu.Ours.add(u.cpu)
}

// idleServices looks at services that want no tasks.
func (w *world) idleServices(ctx context.Context, m *maitred, all []int, floor floors) error {
	if err := m.define(ctx, w.sleeper); err != nil {
		return err
	}
	for i := range services {
		if err := m.createService(ctx, fmt.Sprintf("none-%d", i), 0); err != nil {
			return err
		}
	}
	w.progress("idle: %d services, %v", services, calmAfter+idleFor)
	some, err := watch(ctx, all...)
	if err != nil {
		return err
	}
	w.idleFigures(fmt.Sprintf("%d services of 0 tasks", services), some, floor)
	for i := services; i < many; i++ {
		if err := m.createService(ctx, fmt.Sprintf("none-%d", i), 0); err != nil {
			return err
		}
	}
	if err := pause(ctx, calmAfter); err != nil {
		return err
	}
	lots, err := memoryOf(all...)
	if err != nil {
		return err
	}
	each := w.figure(figure{
		Name: fmt.Sprintf("RssAnon per idle service (%d to %d)", services, many), Unit: bytes, What: "none", Goal: limit{Amount: 2 << 10},
	})
	each.Ours.add((lots.Anon - some.Anon) / (many - services))
	return nil
}

// idleTasks looks at tasks that do nothing.
func (w *world) idleTasks(ctx context.Context, m *maitred, pids, keepers []int, floor floors) error {
	before, err := memoryOf(pids...)
	if err != nil {
		return err
	}
	keeperBefore, err := memoryOf(keepers...)
	if err != nil {
		return err
	}
	for i := range services {
		name := fmt.Sprintf("none-%d", i)
		if err := m.scale(ctx, name, 1); err != nil {
			return err
		}
		if err := m.untilRunning(ctx, name, 1, w.poll); err != nil {
			return err
		}
	}
	w.progress("idle: %d tasks, %v", services, calmAfter+idleFor)
	u, err := watch(ctx, append(append([]int{}, pids...), keepers...)...)
	if err != nil {
		return err
	}
	cpu := w.figure(figure{
		Name: fmt.Sprintf("idle CPU, %d services, %d of 1 task", many, services), Unit: percent, What: "etcd alone in a process",
		Goal: limit{Amount: 0.3}, Gate: limit{Amount: 1},
	})
	cpu.Floor.add(floor.etcd.cpu)
	cpu.Ours.add(u.cpu)
	after, err := memoryOf(pids...)
	if err != nil {
		return err
	}
	keeperAfter, err := memoryOf(keepers...)
	if err != nil {
		return err
	}
	w.keeperFigures(keeperBefore, keeperAfter, before, after, floor)
	return nil
}

func (w *world) keeperFigures(keeperBefore, keeperAfter, before, after memory, floor floors) {
	const what = "the smallest Go process"
	none := w.figure(figure{Name: "keeper's RSS, 0 tasks", Unit: bytes, What: what, Goal: limit{Amount: 10 << 20}})
	none.Floor.add(floor.sleeper.RSS)
	none.Ours.add(keeperBefore.RSS)
	bare := w.figure(figure{Name: "of that its own (RssAnon), 0 tasks", Unit: bytes, What: what})
	bare.Floor.add(floor.sleeper.Anon)
	bare.Ours.add(keeperBefore.Anon)
	some := w.figure(figure{Name: fmt.Sprintf("keeper's RSS, %d tasks", services), Unit: bytes, What: what, Goal: limit{Amount: 10 << 20}})
	some.Floor.add(floor.sleeper.RSS)
	some.Ours.add(keeperAfter.RSS)
	own := w.figure(figure{Name: fmt.Sprintf("of that its own (RssAnon), %d tasks", services), Unit: bytes, What: what})
	own.Floor.add(floor.sleeper.Anon)
	own.Ours.add(keeperAfter.Anon)
	each := w.figure(figure{
		Name: "RssAnon per running task, keeper and all", Unit: bytes, What: "none", Goal: limit{Amount: 100 << 10}, Gate: limit{Amount: 2 << 20},
	})
	each.Ours.add((keeperAfter.Anon - keeperBefore.Anon + after.Anon - before.Anon) / services)
}
