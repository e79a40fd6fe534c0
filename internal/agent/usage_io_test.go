package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/reading"
)

// TestIO adds up what went through the networks of a task: one that containers share counts once, those that each has of its
// own all count, and what was measured once only has no rate yet. Disks add up; of what nobody knows there is nothing.
func TestIO(t *testing.T) {
	t.Parallel()
	network := func(name string, received, sent int64) *driver.Network {
		return &driver.Network{Namespace: name, Received: received, Sent: sent}
	}
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var m meter
	for _, id := range []string{"shared", "own", "none"} {
		m.name(id, "task/"+id)
	}
	measure := func(second int, usage map[string]driver.Usage) {
		m.take(usage, begin.Add(time.Duration(second)*2*time.Second))
	}
	is := func(what, task string, network *reading.Network, disk *reading.Disk) {
		t.Helper()
		got := m.tasks()["task/"+task]
		if diff := cmp.Diff(network, got.Network); diff != "" {
			t.Errorf("%s: the network of %s (-want +got):\n%s", what, task, diff)
		}
		if diff := cmp.Diff(disk, got.Disk); diff != "" {
			t.Errorf("%s: the disk of %s (-want +got):\n%s", what, task, diff)
		}
	}
	measure(0, map[string]driver.Usage{
		"shared-a-1": {Network: network("1", 1000, 100), Disk: &driver.Disk{Read: 1}}, "shared-b-1": {Network: network("1", 1000, 100)},
		"own-a-1": {Network: network("2", 10, 0)}, "none-a-1": {},
	})
	is("once", "shared", nil, &reading.Disk{Read: 1})
	measure(1, map[string]driver.Usage{
		"shared-a-1": {Network: network("1", 1500, 300), Disk: &driver.Disk{Read: 5, Written: 2}},
		"shared-b-1": {Network: network("1", 1500, 300), Disk: &driver.Disk{Written: 4}},
		"own-a-1":    {Network: network("2", 30, 0)}, "own-b-1": {Network: network("3", 7, 8)}, "none-a-1": {},
	})
	is("twice", "shared", &reading.Network{In: 250, Out: 100, Received: 1500, Sent: 300}, &reading.Disk{Read: 5, Written: 6})
	is("twice", "own", &reading.Network{In: 10, Received: 30}, nil)
	is("twice", "none", nil, nil)
	measure(2, map[string]driver.Usage{
		"shared-c-2": {Network: network("1", 1500, 500)}, "own-a-1": {Network: network("2", 30, 0)}, "own-b-1": {Network: network("3", 27, 8)},
	})
	is("thrice", "shared", &reading.Network{Out: 100, Received: 1500, Sent: 500}, nil)
	is("thrice", "own", &reading.Network{In: 10, Received: 57, Sent: 8}, nil)
	measure(3, map[string]driver.Usage{"own-a-1": {Network: network("2", 5, 0)}})
	is("one that counts anew", "own", &reading.Network{Received: 5}, nil)
}
