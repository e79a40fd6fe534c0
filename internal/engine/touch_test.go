package engine_test

import (
	"testing"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestPlacementsOfOneStep: services that are placed on the same machine in one step do not get into each other's way,
// but RunTask, which had looked before that, has to look again.
func TestPlacementsOfOneStep(t *testing.T) {
	t.Parallel()
	var transactions int
	st := open(t, mem.New(mem.Options{Committed: func(int64) { transactions++ }}))
	found(t, st)
	l := engine.NewLoop(config(st), nil)
	defer l.Close()
	settle(t, l, start())
	create(t, st, "a", 3)
	create(t, st, "b", 3)
	call := control.Call{Scope: scope(), Operation: "RunTask", Now: start(), IDs: random, Refuse: runs}
	tries := 0
	_, err := st.Update(t.Context(), func(tx *store.Tx) error {
		if tries++; tries == 1 {
			defer func() {
				transactions = 0
				if _, err := l.Turn(t.Context(), start()); err != nil {
					t.Error(err)
				}
			}()
		}
		_, _, err := control.Run(tx, call, control.RunTask{
			Cluster: clusterARN(), TaskDefinition: scope().TaskDefinition("web:1"), Count: 1, LaunchType: "EC2",
		})
		return err
	})
	if err != nil || tries != 2 || transactions != 2 || tasks(st) != 7 {
		t.Errorf("got error %v after %d tries, %d transactions and %d tasks, want 2 tries; one transaction of the scheduler and one of RunTask; 7 tasks",
			err, tries, transactions, tasks(st))
	}
	if _, _, ok := st.View().Get(model.PlacementKey("m1")); !ok {
		t.Error("the scheduler left no mark on the machine")
	}
}
