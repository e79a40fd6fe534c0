package keeper

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOwners: a process is of the container that has its session, or of its parent's.
func TestOwners(t *testing.T) {
	t.Parallel()
	one, two := &container{}, &container{}
	procs := []proc{
		{pid: 10, ppid: 1, session: 10}, {pid: 11, ppid: 10, session: 10}, {pid: 12, ppid: 11, session: 12}, // a daemon of its own
		{pid: 20, ppid: 1, session: 20}, {pid: 21, ppid: 12, session: 20}, // which is whose session it has
		{pid: 30, ppid: 1, session: 30}, {pid: 31, ppid: 99, session: 30}, {pid: 40, ppid: 40, session: 40},
	}
	sessions := map[int]*container{10: one, 20: two}
	slices.Reverse(procs)
	got := ownersOf(procs, func(p proc) *container { return sessions[p.session] })
	for pid, want := range map[int]*container{10: one, 11: one, 12: one, 20: two, 21: two, 30: nil, 31: nil, 40: nil} {
		if got[pid] != want {
			t.Errorf("process %d has another owner", pid)
		}
	}
}

// TestOwnersDescend: the owners of processes are those that come of following children down.
func TestOwnersDescend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &container{}
		var procs []proc
		for i := range rapid.IntRange(1, 30).Draw(t, "processes") {
			procs = append(procs, proc{
				pid: i + 1, ppid: rapid.IntRange(0, 32).Draw(t, "parent"), session: rapid.IntRange(0, 3).Draw(t, "session"), state: 'S',
			})
		}
		root := func(p proc) bool { return p.session == 3 }
		owners := ownersOf(procs, func(p proc) *container {
			if root(p) {
				return c
			}
			return nil
		})
		want := map[int]bool{}
		for _, p := range withDescendants(procs, root) {
			want[p.pid] = true
		}
		for _, p := range procs {
			if (owners[p.pid] == c) != want[p.pid] {
				t.Errorf("process %d of %+v: owned is %v, descends is %v", p.pid, procs, owners[p.pid] == c, want[p.pid])
			}
		}
	})
}
