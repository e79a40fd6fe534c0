package routing_test

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// text draws short texts of few letters, so that rules and requests meet often.
func text(t *rapid.T, alphabet string, most int) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, most, -1).Draw(t, "text")
}

// fields are those of conditions; the frequent ones are there twice.
func fields() []string {
	return []string{
		model.FieldHost, model.FieldHost, model.FieldPath, model.FieldPath, model.FieldHeader, model.FieldMethod,
		model.FieldQuery, model.FieldSourceIP,
	}
}

func drawCondition(t *rapid.T) model.Condition {
	return drawConditionOf(t, rapid.SampledFrom(fields()).Draw(t, "field"))
}

func drawConditionOf(t *rapid.T, field string) model.Condition {
	values := func(alphabet string) []string {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return text(t, alphabet, 5) }), 1, 3).Draw(t, "values")
	}
	regex := rapid.SampledFrom([]string{"^a", "b$", "a.*b", "[/.]b"})
	c := model.Condition{Field: field}
	switch field {
	case model.FieldHost:
		c.Values = values("aAb..*?")
	case model.FieldPath:
		for _, v := range values(`abA/*?`) {
			c.Values = append(c.Values, "/"+v)
		}
	case model.FieldHeader:
		c.Name = rapid.SampledFrom([]string{"X-A", "X-B"}).Draw(t, "name")
		c.Values = values(`abA\*? `)
	case model.FieldMethod:
		c.Values = values("GP")
	case model.FieldQuery:
		for _, v := range values(`aAb=*?\`) {
			c.Query = append(c.Query, model.KeyValue{Key: text(t, `aAb*?\`, 2), Value: v})
		}
	case model.FieldSourceIP:
		c.Values = []string{rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "10.1.1.1/32", "::/0"}).Draw(t, "source")}
	}
	if (field == model.FieldHost || field == model.FieldPath || field == model.FieldHeader) && rapid.IntRange(0, 9).Draw(t, "regex?") == 0 {
		c.Regex = []string{regex.Draw(t, "regex")}
		if rapid.Bool().Draw(t, "alone") {
			c.Values = nil
		}
	}
	return c
}

func drawRequest(t *rapid.T) *routing.Request {
	header := map[string][]string{}
	for _, name := range []string{"X-A", "X-B"} {
		header[name] = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return text(t, `abA\*? `, 5) }), 0, 2).Draw(t, name)
	}
	return &routing.Request{
		Method: text(t, "GP", 2), Host: text(t, "aAb..", 5) + rapid.SampledFrom([]string{"", ":80"}).Draw(t, "port"),
		Path: "/" + text(t, "abA/", 5), Query: text(t, `aAb==&&*?\`, 9), Source: netip.MustParseAddr(
			rapid.SampledFrom([]string{"10.0.0.1", "10.1.0.1", "10.1.1.1", "11.1.1.1", "2001:db8::1"}).Draw(t, "from")),
		Header: func(name string) []string { return header[name] },
	}
}

// TestMatchIsTheFirstRule: with the index a request matches the very rule that comes first without it.
func TestMatchIsTheFirstRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.listen(listenerARN, fixed(404))
		draw, most := drawCondition, 3
		if rapid.Bool().Draw(t, "one field") { // so that many rules have to be told apart by it
			field := rapid.SampledFrom(fields()).Draw(t, "field")
			draw, most = func(t *rapid.T) model.Condition { return drawConditionOf(t, field) }, 1
		}
		for i := range rapid.IntRange(0, 60).Draw(t, "rules") {
			w.rule(listenerARN, model.Rule{
				Priority: (i*37)%101 + 1, Actions: []model.Action{fixed(200)},
				Conditions: rapid.SliceOfN(rapid.Custom(draw), 1, most).Draw(t, "conditions"),
			})
		}
		l := routing.Compile(nil, w.input()).Listeners[listenerARN]
		for range 20 {
			req := drawRequest(t)
			if got, want := l.Match(req), naive(l, req); got != want {
				t.Fatalf("%s %s%s?%s from %s matches %d (%v), want %d (%v)", req.Method, req.Host, req.Path, req.Query, req.Source,
					got.Priority, got.Record, want.Priority, want.Record)
			}
		}
	})
}

// change makes some change to the world, most often one of targets, and names the group if it was no more than that.
func change(t *rapid.T, w *world) (group string, targetsOnly bool) {
	names := []string{"a", "b", "c"}
	name := rapid.SampledFrom(names).Draw(t, "group")
	listener := listenerARN + rapid.SampledFrom([]string{"", "1"}).Draw(t, "listener")
	switch rapid.IntRange(0, 12).Draw(t, "change") {
	case 0:
		w.group(name, map[string]string{
			model.AttributeSlowStart:         rapid.SampledFrom([]string{"0", "30"}).Draw(t, "slow"),
			model.AttributeMinHealthyPercent: rapid.SampledFrom([]string{"off", "60"}).Draw(t, "percent"),
		})
	case 1:
		delete(w.groups, groupARN(name))
	case 2:
		w.listen(listener, forward(rapid.SliceOfN(rapid.SampledFrom(names), 1, 2).Draw(t, "groups")...))
	case 3:
		delete(w.listeners, listener)
	case 4, 5:
		w.rule(listener, model.Rule{
			ARN: ruleARN(listener, rapid.IntRange(1, 9).Draw(t, "n")), Priority: rapid.IntRange(1, 9).Draw(t, "priority"),
			Conditions: []model.Condition{drawCondition(t)}, Actions: []model.Action{forward(name, "a")},
		})
	case 6:
		delete(w.rules[listener], ruleARN(listener, rapid.IntRange(1, 9).Draw(t, "n")))
	default:
		changeTarget(t, w, groupARN(name))
		return groupARN(name), true
	}
	return "", false
}

func changeTarget(t *rapid.T, w *world, group string) {
	target := model.Target{Group: group, ID: fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 6).Draw(t, "id")), Port: 80}
	path := target.Path()
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		delete(w.targets[group], path)
		return
	case 1:
		target.DrainAt = epoch
	}
	w.target(target, routing.Health{
		State: rapid.SampledFrom([]model.TargetState{model.TargetInitial, model.TargetHealthy, model.TargetUnhealthy}).Draw(t, "state"),
		Since: second(rapid.IntRange(0, 100).Draw(t, "since")),
	})
}

// same compares tables by all that is exported, but slow start, which depends on what was before.
func same(a, b *routing.Table) string {
	return cmp.Diff(a, b, cmpopts.IgnoreFields(routing.Target{}, "SlowStart"), cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && f.Name()[0] >= 'a'
	}, cmp.Ignore()), cmpopts.EquateEmpty(), cmpopts.EquateErrors())
}

// TestCompileAgain: a table that was made from the one before is the one that would have been made without it; what has
// not changed is the same object; and a change of targets alone makes the same table by Retarget.
func TestCompileAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.listen(listenerARN, forward("a"))
		w.group("a", nil)
		table := routing.Compile(nil, w.input())
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			before := routing.Compile(nil, w.input())
			group, targetsOnly := change(t, w)
			next := routing.Compile(table, w.input())
			if diff := same(next, routing.Compile(nil, w.input())); diff != "" {
				t.Fatalf("compiled again and compiled anew differ (-again +anew):\n%s", diff)
			}
			if again := routing.Compile(next, w.input()); again != next {
				t.Fatal("nothing has changed, and the table is another one")
			}
			for arn, g := range next.Groups {
				if targetsOnly && arn != group && table.Groups[arn] != g {
					t.Fatalf("group %s is another one, and only %s has changed", arn, group)
				}
			}
			if targetsOnly {
				if diff := same(table.Retarget(w.input(), group), next); diff != "" {
					t.Fatalf("Retarget and Compile differ (-retarget +compile):\n%s", diff)
				}
				if diff := same(table, before); diff != "" {
					t.Fatalf("the old table has changed:\n%s", diff)
				}
			}
			consistent(t, next)
			table = next
		}
	})
}

// consistent: rules lead to the groups of the table, and nobody gets requests who must not.
func consistent(t *rapid.T, table *routing.Table) {
	for _, l := range table.Listeners {
		for _, r := range l.Rules {
			for i, g := range r.Groups {
				if g != table.Groups[r.Action.Forward.Groups[i].Group] {
					t.Fatalf("rule %d leads to a group that is not the table's", r.Priority)
				}
			}
		}
	}
	for _, g := range table.Groups {
		if len(g.Eligible) == 0 && g.Registered > 0 {
			t.Fatal("targets are registered, and none gets requests")
		}
		for _, x := range g.Eligible {
			if x.Record.Draining() || x.Health.State != model.TargetHealthy && !g.FailOpen {
				t.Fatalf("%s gets requests in state %s", x.Path, x.Health.State)
			}
			if g.Find(x.Path) != x {
				t.Fatalf("%s is eligible and not found", x.Path)
			}
		}
	}
}

// grouped makes a group of targets: of healthy ones, and of some that are in slow start at second 1000.
func grouped(attributes map[string]string, settled, ramping int) (*routing.Group, *world) {
	w := newWorld()
	w.listen(listenerARN, forward("web"))
	w.group("web", attributes)
	for i := range settled + ramping {
		registered := 0
		if i >= settled {
			registered = 1000
		}
		w.target(model.Target{Group: groupARN("web"), ID: fmt.Sprintf("10.0.0.%d", i), Port: 80, RegisteredAt: second(registered)},
			routing.Health{State: model.TargetHealthy, Since: second(registered)})
	}
	return routing.Compile(nil, w.input()).Groups[groupARN("web")], w
}

// TestShares: over many requests each target has the share of its weight, whichever the algorithm.
func TestShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		settled, ramping := rapid.IntRange(1, 5).Draw(t, "settled"), rapid.IntRange(0, 5).Draw(t, "ramping")
		g, _ := grouped(map[string]string{model.AttributeSlowStart: "100"}, settled, ramping)
		now := second(1000 + rapid.IntRange(0, 120).Draw(t, "passed"))
		weights := map[string]float64{}
		for _, x := range g.Eligible {
			weights[x.Path] = x.Weight(now, g.Settings.SlowStart)
		}
		const requests = 4000
		start := rapid.Uint64().Draw(t, "start")
		algorithms := map[string]func(n uint64) *routing.Target{
			"round robin": func(n uint64) *routing.Target { return routing.RoundRobin(g, start+n, now, nil) },
			"weighted random": func(n uint64) *routing.Target {
				return routing.WeightedRandom(g, n*(math.MaxUint64/requests), func(path string) float64 { return weights[path] }, nil)
			},
		}
		for name, choose := range algorithms {
			got := map[string]int{}
			for n := range uint64(requests) {
				got[choose(n).Path]++
			}
			compareShares(t, name, got, weights, requests)
		}
	})
}

func compareShares(t *rapid.T, name string, got map[string]int, weights map[string]float64, requests float64) {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	for path, w := range weights {
		if want := requests * w / total; math.Abs(float64(got[path])-want) > 0.01*requests+1 {
			t.Fatalf("%s: %s with weight %.2f got %d of %.0f requests, want %.0f", name, path, w, got[path], requests, want)
		}
	}
}

// TestPickShares (V18 and all others): groups get requests by their weights, and one with weight 0 none.
func TestPickShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 999), 1, 5).Draw(t, "weights")
		r := weighted(weights)
		total := 0
		for _, w := range weights {
			total += w
		}
		const requests = 10_000
		got := make([]int, len(weights))
		for n := range uint64(requests) {
			g, i := r.Pick(n*(math.MaxUint64/requests) + 7)
			switch {
			case total == 0:
				if g != nil || i != -1 {
					t.Fatalf("all weights are 0, and %d was picked", i)
				}
				return
			case g != r.Groups[i] || g == nil:
				t.Fatalf("picked %v, which is not group %d", g, i)
			}
			got[i]++
		}
		for i, w := range weights {
			if want := float64(requests*w) / float64(total); math.Abs(float64(got[i])-want) > 2 || w == 0 && got[i] > 0 {
				t.Fatalf("weight %d of %d got %d of %d requests, want %.0f", w, total, got[i], requests, want)
			}
		}
	})
}

func weighted(weights []int) *routing.Rule {
	w := newWorld()
	a := forward()
	for i, n := range weights {
		name := fmt.Sprintf("g%d", i)
		w.group(name, nil)
		a.Forward.Groups = append(a.Forward.Groups, model.WeightedGroup{Group: groupARN(name), Weight: n})
	}
	w.listen(listenerARN, a)
	return routing.Compile(nil, w.input()).Listeners[listenerARN].Default()
}

// TestUsable: whatever the algorithm, a target that is not usable is not chosen, and one that is gets chosen if there is
// any.
func TestUsable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, _ := grouped(map[string]string{model.AttributeSlowStart: "100"}, rapid.IntRange(1, 4).Draw(t, "settled"), rapid.IntRange(0, 4).Draw(t, "ramping"))
		down := map[string]bool{}
		for _, x := range g.Eligible {
			down[x.Path] = rapid.Bool().Draw(t, "down")
		}
		usable := func(x *routing.Target) bool { return !down[x.Path] }
		some := slices.ContainsFunc(g.Eligible, usable)
		n, now := rapid.Uint64().Draw(t, "n"), second(1050)
		zero := func(string) float64 { return 0 }
		none := func(string) int64 { return 0 }
		for name, got := range map[string]*routing.Target{
			"round robin": routing.RoundRobin(g, n, now, usable), "hashed": routing.Hashed(g, n, usable),
			"least outstanding": routing.LeastOutstanding(g, n, none, usable),
			"weighted random":   routing.WeightedRandom(g, n, nil, usable), "all weights zero": routing.WeightedRandom(g, n, zero, usable),
		} {
			if got == nil && some || got != nil && !usable(got) {
				t.Fatalf("%s chose %v; down are %v", name, got, down)
			}
		}
	})
}

// TestHashedStays: when a target goes, only what it had gets another one.
func TestHashedStays(t *testing.T) {
	t.Parallel()
	g, w := grouped(nil, 10, 0)
	gone := g.Eligible[3].Path
	delete(w.targets[groupARN("web")], gone)
	less := routing.Compile(nil, w.input()).Groups[groupARN("web")]
	got := map[string]int{}
	for n := range uint64(10_000) {
		hash := n * 0x9e3779b97f4a7c15
		before, after := routing.Hashed(g, hash, nil), routing.Hashed(less, hash, nil)
		got[before.Path]++
		if before.Path != gone && before.Path != after.Path {
			t.Fatalf("flow %d moved from %s to %s", n, before.Path, after.Path)
		}
	}
	for path, n := range got {
		if n < 850 || n > 1150 {
			t.Errorf("%s got %d of 10,000 flows", path, n)
		}
	}
}

// TestLeastOutstanding chooses the least loaded one, and of several all alike.
func TestLeastOutstanding(t *testing.T) {
	t.Parallel()
	g, _ := grouped(nil, 4, 0)
	load := map[string]int64{g.Eligible[0].Path: 3, g.Eligible[1].Path: 1, g.Eligible[2].Path: 1, g.Eligible[3].Path: 2}
	got := map[string]int{}
	for n := range uint64(10_000) {
		x := routing.LeastOutstanding(g, n*0x9e3779b97f4a7c15, func(path string) int64 { return load[path] }, nil)
		got[x.Record.ID]++
	}
	if len(got) != 2 || got["10.0.0.1"] < 4700 || got["10.0.0.2"] < 4700 {
		t.Errorf("got %v, want about 5,000 each for 10.0.0.1 and 10.0.0.2", got)
	}
}

// TestRoundRobinIsACycle where no target is in slow start.
func TestRoundRobinIsACycle(t *testing.T) {
	t.Parallel()
	g, _ := grouped(nil, 3, 0)
	var got []string
	for n := range uint64(6) {
		got = append(got, strings.TrimPrefix(routing.RoundRobin(g, n, epoch, nil).Record.ID, "10.0.0."))
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "0", "1", "2"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestWeight(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		slow    bool
		passed  time.Duration
		of      time.Duration
		want    float64
		because string
	}{
		{true, 0, time.Minute, 0.01, "it has just begun"},
		{true, -time.Second, time.Minute, 0.01, "clocks differ"},
		{true, 15 * time.Second, time.Minute, 0.25, "a quarter has passed"},
		{true, time.Minute, time.Minute, 1, "it is over"},
		{true, time.Second, 0, 1, "slow start was switched off"},
		{false, time.Second, time.Minute, 1, "it does not begin slowly"},
	} {
		x := &routing.Target{SlowStart: tt.slow, Health: routing.Health{State: model.TargetHealthy, Since: epoch}}
		if got := x.Weight(epoch.Add(tt.passed), tt.of); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.because, got, tt.want)
		}
	}
}

// TestGoneGroup: a group that does not exist keeps its share, and answers 503.
func TestGoneGroup(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.group("there", nil)
	w.listen(listenerARN, forward("gone", "there"))
	r := routing.Compile(nil, w.input()).Listeners[listenerARN].Default()
	if g, i := r.Pick(0); g != nil || i != 0 {
		t.Errorf("picked %v, %d, want the group that does not exist", g, i)
	}
	if g, i := r.Pick(math.MaxUint64); g == nil || i != 1 {
		t.Errorf("picked %v, %d, want the one that does", g, i)
	}
}

// TestMatchAllocatesNothing for usual requests, whatever tells the rules apart.
func TestMatchAllocatesNothing(t *testing.T) {
	header := map[string][]string{"X-Tenant": {"Tenant-77"}}
	for name, c := range shapes() {
		l := routing.Compile(nil, many(1000, c.conditions)).Listeners[listenerARN]
		req := request("GET", c.url, nil)
		req.Header = func(name string) []string { return header[name] }
		req.Source = netip.MustParseAddr("10.1.2.3")
		if n := testing.AllocsPerRun(100, func() { l.Match(req) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestChoiceAllocatesNothing.
func TestChoiceAllocatesNothing(t *testing.T) {
	g, _ := grouped(map[string]string{model.AttributeSlowStart: "100"}, 3, 2)
	down := g.Eligible[0]
	usable := func(x *routing.Target) bool { return x != down }
	load := map[string]int64{}
	now := second(1050)
	r := weighted([]int{1, 2})
	if n := testing.AllocsPerRun(100, func() {
		r.Pick(7)
		routing.RoundRobin(g, 7, now, usable)
		routing.LeastOutstanding(g, 7, func(path string) int64 { return load[path] }, usable)
		routing.WeightedRandom(g, 7, func(path string) float64 { return float64(load[path]) }, usable)
		routing.Hashed(g, 7, usable)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTableIsComplete: groups are those that some rule leads to, and listeners those whose load balancer is there.
func TestTableIsComplete(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for _, name := range []string{"used", "default", "unused"} {
		w.group(name, nil)
	}
	w.listen(listenerARN, forward("default"))
	w.rule(listenerARN, model.Rule{Priority: 1, Actions: []model.Action{forward("used", "gone")}})
	orphan := listenerARN + "0"
	w.listen(orphan, forward("unused"))
	w.listeners[orphan].LoadBalancer = balancerARN + "0"
	table := routing.Compile(nil, w.input())
	want := []string{groupARN("default"), groupARN("used")}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(table.Groups))); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{listenerARN}, slices.Sorted(maps.Keys(table.Listeners))); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
}
