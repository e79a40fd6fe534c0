package agent

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/reading"
)

// Usage is what the running containers of a task use together.
type Usage struct {
	CPU    time.Duration // processor time since the start of each
	Cores  float64       // processor time per time between the last two measurements
	Memory int64         // bytes
	At     time.Time
	// Network and Disk are nil where nobody knows them.
	Network *reading.Network
	Disk    *reading.Disk
}

// meter keeps the last measurement.
type meter struct {
	mu         sync.Mutex
	names      map[string]string // ARN of a task, by id
	at         time.Time
	containers map[string]driver.Usage
	cores      map[string]float64 // by container
	flows      map[string]flow    // by network
}

// name notes the ARN of a task; "" forgets it.
func (m *meter) name(id, arn string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arn == "" {
		delete(m.names, id)
		return
	}
	if m.names == nil {
		m.names = map[string]string{}
	}
	m.names[id] = arn
}

// sample measures at the multiples of SampleEvery, so that what is measured in a second is that second's on all machines.
func (a *Agent) sample(ctx context.Context) {
	every := a.config.SampleEvery
	timer := time.NewTimer(0)
	defer timer.Stop()
	for begin := (time.Time{}); ; {
		now := a.config.Now()
		begin = reading.Period(now, begin, every)
		timer.Reset(begin.Add(every).Sub(now))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			a.measure(ctx, begin)
		}
	}
}

// measure takes the measurement of a period that has just ended, and tells it.
func (a *Agent) measure(ctx context.Context, begin time.Time) {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	usage, err := a.config.Driver.Usage(bounded)
	if err != nil {
		a.config.Log.Debug("usage could not be measured", "error", err)
		return
	}
	a.meter.take(usage, a.config.Now())
	if a.config.Readings == nil {
		return
	}
	a.config.Readings(reading.Frame{Second: begin.Unix(), Tasks: a.meter.reading()})
}

// reading gives the last measurement in the order of ARNs, without tasks that were measured for the first time: nobody
// knows what they took in the last second.
func (m *meter) reading() []reading.Task {
	tasks, paced := m.tasks(), m.paced()
	list := make([]reading.Task, 0, len(paced))
	for _, arn := range slices.Sorted(maps.Keys(paced)) {
		u := tasks[arn]
		list = append(list, reading.Task{
			ARN: arn, Cores: u.Cores, CPU: u.CPU.Seconds(), Memory: u.Memory, Network: u.Network, Disk: u.Disk,
		})
	}
	return list
}

// paced are the tasks of which something was measured twice.
func (m *meter) paced() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	paced := map[string]bool{}
	for id := range m.cores {
		task, _, _ := strings.Cut(id, "-")
		if arn, ok := m.names[task]; ok {
			paced[arn] = true
		}
	}
	return paced
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
	m.flows = flows(m.flows, usage, now.Sub(m.at))
	m.at, m.containers, m.cores = now, usage, cores
}

// tasks gives the last measurement, by task ARN.
func (m *meter) tasks() map[string]Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	total, counted := map[string]Usage{}, map[string]string{}
	for id, u := range m.containers {
		task, _, _ := strings.Cut(id, "-")
		arn, ok := m.names[task]
		if !ok {
			continue
		}
		sum := total[arn]
		sum.CPU, sum.Memory, sum.Cores, sum.At = sum.CPU+u.CPU, sum.Memory+u.Memory, sum.Cores+m.cores[id], m.at
		if u.Disk != nil {
			addDisk(&sum, u.Disk)
		}
		if u.Network != nil {
			m.addFlow(&sum, arn, u.Network, counted)
		}
		total[arn] = sum
	}
	return total
}

// Usage gives the last measurement, by task ARN. A task that nothing was measured of yet is not in it.
func (a *Agent) Usage() map[string]Usage { return a.meter.tasks() }

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
