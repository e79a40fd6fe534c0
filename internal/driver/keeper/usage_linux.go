package keeper

import (
	"os"
	"time"

	"github.com/maitred/maitred/internal/driver"
)

// usage measures what the running containers use, their execs included.
func (k *keeper) usage() (map[string]driver.Usage, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := map[string]driver.Usage{}
	var owned map[*container][]proc
	for id, c := range k.containers {
		if c.status.State != driver.Running || c.spec.Runtime != nil {
			continue // a runtime's container is measured by its cgroup
		}
		var procs []proc
		if c.cgroup != "" {
			procs = readSome(cgroupPids(c.cgroup))
		} else {
			if owned == nil {
				var err error
				if owned, err = k.owned(); err != nil {
					return nil, err
				}
			}
			procs = owned[c]
		}
		u := driver.Usage{CPU: c.cpu}
		for _, p := range procs {
			u.CPU += p.cpu
			u.Memory += p.rss
		}
		all[id] = u
	}
	return all, nil
}

// strangers are processes that were found to belong to no container. A process never comes to belong to one later, so
// that they need not be looked at each time; but as pids are given anew, all are forgotten now and then.
type strangers struct {
	pids map[int]bool
	at   time.Time // when they were forgotten last
}

// strangersFor is how long a process may be taken for another one that had its pid: after that long, it is measured.
const strangersFor = 30 * time.Second

// owned gives the living processes of all containers, of those too that have no cgroup. The keeper's mu is held.
func (k *keeper) owned() (map[*container][]proc, error) {
	pids, err := listPids()
	if err != nil {
		return nil, err
	}
	if now := time.Now(); now.Sub(k.strangers.at) > strangersFor {
		k.strangers = strangers{pids: map[int]bool{}, at: now}
	}
	var near []int
	for _, pid := range pids {
		if !k.strangers.pids[pid] {
			near = append(near, pid)
		}
	}
	procs := readSome(near)
	owners := ownersOf(procs, func(p proc) *container {
		if c := k.mains[p.pid]; c != nil {
			return c
		}
		return k.sessions[p.session]
	})
	owned := map[*container][]proc{}
	for _, p := range procs {
		switch c := owners[p.pid]; {
		case c == nil && p.ppid == os.Getpid(): // it may be starting, and be a container's in a moment
		case c == nil:
			k.strangers.pids[p.pid] = true
		case !p.dead():
			owned[c] = append(owned[c], p)
		}
	}
	return owned, nil
}

// ownersOf says whose each process is: of whom root says, or of its parent's owner; nil is nobody's.
func ownersOf(procs []proc, root func(proc) *container) map[int]*container {
	byPid := make(map[int]proc, len(procs))
	for _, p := range procs {
		byPid[p.pid] = p
	}
	owners := make(map[int]*container, len(procs))
	for _, p := range procs {
		var path []int
		for at, ok := p, true; ok; at, ok = byPid[at.ppid] {
			if c, known := owners[at.pid]; known || len(path) > len(procs) {
				settle(owners, path, c)
				path = nil
				break
			}
			path = append(path, at.pid)
			if c := root(at); c != nil {
				settle(owners, path, c)
				path = nil
				break
			}
		}
		settle(owners, path, nil)
	}
	return owners
}

func settle(owners map[int]*container, pids []int, c *container) {
	for _, pid := range pids {
		owners[pid] = c
	}
}
