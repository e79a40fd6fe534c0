package sim_test

import (
	"slices"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/sim"
	"github.com/maitred/maitred/internal/store"
)

// sleepers are mistakes about services that may have no tasks.
func sleepers() map[string]struct {
	rules []string
	plant func(*sim.Options)
} {
	type m = struct {
		rules []string
		plant func(*sim.Options)
	}
	return map[string]m{
		"does not say that requests wait": {
			[]string{"the world comes to rest", "rest lasts"},
			func(o *sim.Options) {
				o.Commit = func(txn *store.Txn) {
					txn.Puts = slices.DeleteFunc(txn.Puts, func(p store.Put) bool { return p.Key.Kind == model.KindDemand })
				}
			},
		},
		"does not say that no request waits any more": {
			[]string{"the world comes to rest", "rest lasts"},
			func(o *sim.Options) {
				o.Commit = func(txn *store.Txn) {
					txn.Deletes = slices.DeleteFunc(txn.Deletes, func(k model.Key) bool { return k.Kind == model.KindDemand })
				}
			},
		},
		"wakes more than one task": {
			[]string{"a request wakes one task"},
			func(o *sim.Options) {
				o.Commit = func(txn *store.Txn) {
					for i, p := range txn.Puts {
						if s, ok := p.Record.(*model.Service); ok && s.Cause.Kind == model.CauseScaling && s.DesiredCount == 1 {
							other := *s
							other.DesiredCount = 3
							txn.Puts[i].Record = &other
						}
					}
				}
			},
		},
		"puts to sleep what is used": {
			[]string{"what is used does not sleep"},
			func(o *sim.Options) { o.Unused = true },
		},
	}
}
