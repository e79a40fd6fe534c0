package l7

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/model"
)

// tester is what tests of testing and of rapid have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

// newRenewing is a server without a table, and what it remembers of a group.
func newRenewing(t tester) (*group, *flight.Targets) {
	t.Helper()
	flights := flight.New(func(string) {})
	s, err := New(Config{
		ARN: "arn:listener", Table: func() *routing.Table { return nil }, Flights: flights, Secret: make([]byte, 16),
		Now: time.Now, Random: func() uint64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cut)
	return &group{groups: &s.groups}, flights
}

func groupRecord() *model.TargetGroup {
	return &model.TargetGroup{ARN: "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef", Protocol: "HTTP", ProtocolVersion: "HTTP1"}
}

// TestRenew has targets come, go, change, move and be forgotten in any order: each view has the targets of its group and no
// other, and those that were there before are the same.
func TestRenew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, flights := newRenewing(t)
		record := groupRecord()
		here := map[string]*routing.Target{}
		before := map[string]*target{}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			forgotten := map[string]bool{}
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				r := &model.Target{Group: record.ARN, ID: rapid.StringMatching("[a-f]").Draw(t, "target"), Port: 80}
				path := r.Path()
				switch rapid.SampledFrom([]string{"put", "remove", "forget"}).Draw(t, "change") {
				case "put":
					r.Address = rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2"}).Draw(t, "address")
					here[path] = &routing.Target{Record: r, Path: path}
				case "remove":
					delete(here, path)
				case "forget":
					flights.Drop(path)
					forgotten[path] = true
				}
			}
			g := &routing.Group{Record: record}
			for _, path := range slices.Sorted(maps.Keys(here)) {
				g.Targets = append(g.Targets, here[path])
			}
			v := x.renew(g)
			checkView(t, v, before, forgotten, flights)
			before = maps.Clone(v.targets)
		}
	})
}

func checkView(t *rapid.T, v *view, before map[string]*target, forgotten map[string]bool, flights *flight.Targets) {
	if len(v.targets) != len(v.of.Targets) || len(v.ids) != len(v.of.Targets) || len(v.list) != len(v.of.Targets) {
		t.Fatalf("%d targets, %d of them by path, %d by id, %d in order", len(v.of.Targets), len(v.targets), len(v.ids), len(v.list))
	}
	for i, rt := range v.of.Targets {
		x := v.targets[rt.Path]
		if x == nil || x != v.list[i] || v.ids[x.id] != x || x.path != rt.Path || x.address != addressOf(rt.Record) || x.flight != flights.Target(rt.Path) {
			t.Fatalf("%s is %+v", rt.Path, x)
		}
		if was := before[rt.Path]; was != nil && was != x && was.address == x.address && !forgotten[rt.Path] {
			t.Fatalf("%s is another one, and nothing of it has changed", rt.Path)
		}
	}
}

// BenchmarkRenew is what the first request after a change of one of 1,000 targets pays, and all that come meanwhile wait for.
func BenchmarkRenew(b *testing.B) {
	x, _ := newRenewing(b)
	record := groupRecord()
	var groups [2]*routing.Group
	var all []*routing.Target
	for i := range 1000 {
		x := &model.Target{Group: record.ARN, ID: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Port: 80}
		all = append(all, &routing.Target{Record: x, Path: x.Path()})
	}
	for i := range groups {
		groups[i] = &routing.Group{Record: record, Targets: slices.Clone(all)}
		draining := *all[7].Record
		draining.DrainAt = time.Unix(int64(i), 0)
		groups[i].Targets[7] = &routing.Target{Record: &draining, Path: all[7].Path}
	}
	for i := 0; b.Loop(); i++ {
		x.renew(groups[i%2])
	}
}
