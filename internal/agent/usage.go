package agent

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
)

// Usage is what the running containers of a task use together.
type Usage struct {
	CPU    time.Duration // processor time since the start of each
	Cores  float64       // processor time per time between the last two measurements
	Memory int64         // bytes
	At     time.Time
}

// meter keeps the last measurement.
type meter struct {
	mu         sync.Mutex
	at         time.Time
	containers map[string]driver.Usage
	cores      map[string]float64 // by container
}

// sample measures now and then.
func (a *Agent) sample(ctx context.Context) {
	ticker := time.NewTicker(a.config.SampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, callTimeout)
		usage, err := a.config.Driver.Usage(bounded)
		cancel()
		if err != nil {
			a.config.Log.Debug("usage could not be measured", "error", err)
			continue
		}
		a.meter.take(usage, a.config.Now())
	}
}

func (m *meter) take(usage map[string]driver.Usage, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	cores := make(map[string]float64, len(usage))
	for id, u := range usage {
		before, ok := m.containers[id]
		if elapsed := now.Sub(m.at); ok && elapsed > 0 {
			cores[id] = max(0, float64(u.CPU-before.CPU)/float64(elapsed))
		}
	}
	m.at, m.containers, m.cores = now, maps.Clone(usage), cores
}

// Usage gives the last measurement, by task ARN. A task that nothing was measured of yet is not in it.
func (a *Agent) Usage(ctx context.Context) (map[string]Usage, error) {
	ids := map[string]string{} // ARN by task id
	if err := a.ask(ctx, func(l *loop) {
		for id, e := range l.ids {
			ids[id] = e.arn
		}
	}); err != nil {
		return nil, err
	}
	a.meter.mu.Lock()
	defer a.meter.mu.Unlock()
	total := map[string]Usage{}
	for id, u := range a.meter.containers {
		task, _, _ := strings.Cut(id, "-")
		arn, ok := ids[task]
		if !ok {
			continue
		}
		sum := total[arn]
		sum.CPU, sum.Memory, sum.Cores, sum.At = sum.CPU+u.CPU, sum.Memory+u.Memory, sum.Cores+a.meter.cores[id], a.meter.at
		total[arn] = sum
	}
	return total, nil
}

// Logs tells what the newest attempt of a container wrote so far. Those of a stopped task are there until its record is
// deleted, or too many others have stopped since.
func (a *Agent) Logs(
	ctx context.Context, task, container string, o driver.LogOptions,
) (iter.Seq2[driver.Line, error], error) {
	id := ""
	if err := a.ask(ctx, func(l *loop) {
		if e := l.tasks[task]; e != nil {
			id = e.newest(container)
		}
	}); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, fmt.Errorf("agent: there is no log of the container %q of %s", container, task)
	}
	return a.config.Driver.Logs(ctx, id, o), nil
}

// newest is the id of the newest attempt of a container that the driver may know, "" if there is none.
func (e *entry) newest(container string) (id string) {
	last := -1
	for _, known := range e.known {
		if _, name, n, ok := lifecycle.ParseID(known); ok && name == container && n > last {
			id, last = known, n
		}
	}
	return id
}
