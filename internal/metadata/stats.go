package metadata

import (
	"maps"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/driver"
)

// Stats are what a container uses, in the shape of Docker's statistics. Members that no cgroup file tells are left out.
type Stats struct {
	Read    time.Time   `json:"read"`
	PreRead time.Time   `json:"preread"`
	CPU     CPUStats    `json:"cpu_stats"`
	PreCPU  CPUStats    `json:"precpu_stats"` // of the measurement before, so that a share can be computed
	Memory  MemoryStats `json:"memory_stats"`
	Name    string      `json:"name"`
	ID      string      `json:"id"`
}

// CPUStats are processor times in nanoseconds: of the container, and of the whole machine.
type CPUStats struct {
	Usage struct {
		Total int64 `json:"total_usage"`
	} `json:"cpu_usage"`
	System int64 `json:"system_cpu_usage"`
	Online int   `json:"online_cpus"`
}

// MemoryStats are in bytes.
type MemoryStats struct {
	Usage int64 `json:"usage"`
	Limit int64 `json:"limit"`
}

// Measurement is what the containers of a machine use at a time, by the driver's id.
type Measurement struct {
	At         time.Time
	Containers map[string]driver.Usage
	System     time.Duration // processor time of the whole machine, idle or not, since its start
	Online     int           // processors
}

func (m Measurement) cpu(id string) (c CPUStats, ok bool) {
	u, ok := m.Containers[id]
	if ok {
		c.Usage.Total, c.System, c.Online = int64(u.CPU), int64(m.System), m.Online
	}
	return c, ok
}

// stats makes the statistics of a container; nil if it was not measured. Limit is that of its memory in bytes.
func stats(before, now Measurement, s driver.Status, limit int64) *Stats {
	cpu, ok := now.cpu(s.ID)
	if !ok {
		return nil
	}
	out := &Stats{
		Read: now.At, CPU: cpu, Name: "/" + s.ID, ID: s.RuntimeID,
		Memory: MemoryStats{Usage: now.Containers[s.ID].Memory, Limit: limit},
	}
	if pre, ok := before.cpu(s.ID); ok {
		out.PreRead, out.PreCPU = before.At, pre
	}
	return out
}

// span is the least time between two measurements that are compared.
const span = time.Second

// history keeps what was measured before. It holds two measurements, however many ask.
type history struct {
	mu           sync.Mutex
	older, newer Measurement
}

// take keeps a measurement, unless it follows too closely on the last one kept, and gives the one kept before.
func (h *history) take(now Measurement) (before Measurement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.At.Sub(h.newer.At) >= span {
		h.older, h.newer = h.newer, Measurement{now.At, maps.Clone(now.Containers), now.System, now.Online}
		return h.older
	}
	return h.older
}
