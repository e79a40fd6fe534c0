package agent

import (
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/reading"
)

// flow is what went through a network, and how much of it each second between the last two measurements.
type flow struct {
	received, sent int64
	in, out        float64
	paced          bool // it was measured twice
}

// flows are the networks of a measurement; before are those of the one before it.
func flows(before map[string]flow, usage map[string]driver.Usage, elapsed time.Duration) map[string]flow {
	now := map[string]flow{}
	for _, u := range usage {
		n := u.Network
		if n == nil {
			continue
		}
		f := flow{received: n.Received, sent: n.Sent}
		if was, ok := before[n.Namespace]; ok && elapsed > 0 {
			f.paced = true
			f.in = max(0, float64(n.Received-was.received)/elapsed.Seconds())
			f.out = max(0, float64(n.Sent-was.sent)/elapsed.Seconds())
		}
		now[n.Namespace] = f
	}
	return now
}

// addFlow adds a container's network to what its task uses, unless another one of its containers has brought it. counted
// says of which task each network was counted.
func (m *meter) addFlow(sum *Usage, task string, n *driver.Network, counted map[string]string) {
	f := m.flows[n.Namespace]
	if !f.paced || counted[n.Namespace] == task {
		return
	}
	counted[n.Namespace] = task
	if sum.Network == nil {
		sum.Network = &reading.Network{}
	}
	to := sum.Network
	to.In, to.Out, to.Received, to.Sent = to.In+f.in, to.Out+f.out, to.Received+f.received, to.Sent+f.sent
}

func addDisk(sum *Usage, d *driver.Disk) {
	if sum.Disk == nil {
		sum.Disk = &reading.Disk{}
	}
	sum.Disk.Read, sum.Disk.Written = sum.Disk.Read+d.Read, sum.Disk.Written+d.Written
}
