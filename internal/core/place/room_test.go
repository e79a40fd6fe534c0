package place_test

import (
	"testing"

	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
)

// TestSearchesShareCounts lets two searches for one service take turns, while its tasks come and go: a task of the one
// keeps those of the other off its machine.
func TestSearchesShareCounts(t *testing.T) {
	t.Parallel()
	machines, instances := world(1)
	room := place.New(machines, instances)
	req := service(0)
	req.Constraints = []model.Constraint{{Type: model.DistinctInstance}}
	var searches []*place.Search
	for range 2 {
		s, err := room.Search(req)
		if err != nil {
			t.Fatal(err)
		}
		searches = append(searches, s)
	}
	for turn := range 6 {
		seat, ok := searches[turn%2].Place(0)
		if !ok {
			t.Fatalf("turn %d: not placed in an empty room", turn)
		}
		if _, ok := searches[(turn+1)%2].Place(0); ok {
			t.Fatalf("turn %d: the other search placed a second task on the only machine", turn)
		}
		room.Remove(model.TaskState{Task: &model.Task{
			Cluster: req.Cluster, Group: req.Group, Machine: seat.Machine.ID, Instance: seat.Instance.ARN,
			Desired: model.TaskRunning, Reserved: req.Demand,
		}})
	}
}
