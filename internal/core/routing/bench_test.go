package routing_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// loop measures f by what it costs the processor, the collection of its garbage included: wall time says little on a
// machine that is busy.
func loop(b *testing.B, f func(i int)) {
	b.Helper()
	b.ReportAllocs()
	before := processor(b)
	for i := 0; b.Loop(); i++ {
		f(i)
	}
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
}

func processor(b *testing.B) int64 {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return use.Utime.Nano() + use.Stime.Nano()
}

// shape is a kind of rules, and a request that one of them matches.
type shape struct {
	conditions func(i int) []model.Condition
	url        string
}

func cond(field string, values ...string) model.Condition {
	return model.Condition{Field: field, Values: values}
}

// shapes are the ways in which a great many rules usually differ.
func shapes() map[string]shape {
	one := func(c func(i int) model.Condition) func(int) []model.Condition {
		return func(i int) []model.Condition { return []model.Condition{c(i)} }
	}
	return map[string]shape{
		"host": {
			one(func(i int) model.Condition { return cond(model.FieldHost, fmt.Sprintf("tenant-%d.example.com", i)) }),
			"http://tenant-77.example.com/a/b",
		},
		"host wildcard": {
			one(func(i int) model.Condition { return cond(model.FieldHost, fmt.Sprintf("*.tenant-%d.example.com", i)) }),
			"http://www.tenant-77.example.com/a/b",
		},
		"path prefix": {
			one(func(i int) model.Condition { return cond(model.FieldPath, fmt.Sprintf("/api/tenant-%d/*", i)) }),
			"http://example.com/api/tenant-77/items/4711",
		},
		"path": {
			one(func(i int) model.Condition { return cond(model.FieldPath, fmt.Sprintf("/page-%d", i)) }),
			"http://example.com/page-77",
		},
		"host and path": {func(i int) []model.Condition {
			return []model.Condition{cond(model.FieldHost, fmt.Sprintf("h%d.example.com", i%100)), cond(model.FieldPath, fmt.Sprintf("/svc-%d/*", i/100))}
		}, "http://h77.example.com/svc-0/x"},
		"header": {one(func(i int) model.Condition {
			return model.Condition{Field: model.FieldHeader, Name: "x-tenant", Values: []string{fmt.Sprintf("tenant-%d", i)}}
		}), "http://example.com/"},
		"query": {one(func(i int) model.Condition {
			return model.Condition{Field: model.FieldQuery, Query: []model.KeyValue{{Key: "tenant", Value: fmt.Sprintf("t%d", i)}}}
		}), "http://example.com/?a=b&Tenant=T77"},
	}
}

// many is a listener with n rules to 100 groups of 10 targets each.
func many(n int, conditions func(i int) []model.Condition) routing.Input {
	return manyWorld(n, conditions).fixed()
}

func manyWorld(n int, conditions func(i int) []model.Condition) *world {
	w := newWorld()
	w.listen(listenerARN, fixed(404))
	for i := range 100 {
		name := fmt.Sprintf("g%d", i)
		w.group(name, nil)
		for j := range 10 {
			w.target(model.Target{Group: groupARN(name), ID: fmt.Sprintf("10.0.%d.%d", i, j), Port: 80, RegisteredAt: epoch},
				routing.Health{State: model.TargetHealthy, Since: epoch})
		}
	}
	for i := range n {
		w.rule(listenerARN, model.Rule{Priority: i + 1, Conditions: conditions(i), Actions: []model.Action{forward(fmt.Sprintf("g%d", i%100))}})
	}
	return w
}

// BenchmarkMatch: what it costs to find the rule of a request among 10, 1,000 and 10,000; the last one matches, or none.
func BenchmarkMatch(b *testing.B) {
	for name, s := range shapes() {
		for _, n := range []int{100, 1000, 10_000} {
			l := routing.Compile(nil, many(n, s.conditions)).Listeners[listenerARN]
			header := map[string][]string{"X-Tenant": {"Tenant-77"}}
			req := request("GET", s.url, nil)
			req.Header = func(name string) []string { return header[name] }
			if l.Match(req) == l.Default() {
				b.Fatal("no rule matches")
			}
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				loop(b, func(int) { l.Match(req) })
			})
		}
	}
}

// BenchmarkMatchScan: rules that only differ in what tells none apart are compared one after the other.
func BenchmarkMatchScan(b *testing.B) {
	for name, conditions := range map[string]func(i int) []model.Condition{
		"source": func(i int) []model.Condition {
			return []model.Condition{cond(model.FieldSourceIP, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))}
		},
		"regex": func(i int) []model.Condition {
			return []model.Condition{{Field: model.FieldPath, Regex: []string{fmt.Sprintf("^/v[0-9]+/tenant-%d/", i)}}}
		},
	} {
		l := routing.Compile(nil, many(10_000, conditions)).Listeners[listenerARN]
		req := request("GET", "http://example.com/v1/x", nil)
		b.Run(name+"/10000", func(b *testing.B) {
			loop(b, func(int) { l.Match(req) })
		})
	}
}

// BenchmarkCompile: 10,000 rules to 100 groups of 10 targets. From nothing; when one rule has changed; when one target
// has, found by Compile and told to Retarget; and when that target is of a group that all rules lead to.
func BenchmarkCompile(b *testing.B) {
	s := shapes()["host and path"]
	b.Run("anew", func(b *testing.B) {
		in := many(10_000, s.conditions)
		loop(b, func(int) { routing.Compile(nil, in) })
	})
	b.Run("one rule", func(b *testing.B) {
		w := manyWorld(10_000, s.conditions)
		versions := []routing.Input{w.fixed()}
		changed := *w.rules[listenerARN][ruleARN(listenerARN, 5000)]
		w.rule(listenerARN, changed)
		versions = append(versions, w.fixed())
		table := routing.Compile(nil, versions[0])
		loop(b, func(i int) { table = routing.Compile(table, versions[(i+1)%2]) })
	})
	all := manyWorld(10_000, s.conditions)
	for _, r := range all.rules[listenerARN] {
		r.Actions = []model.Action{forward("g7")}
	}
	for name, w := range map[string]*world{"one target": manyWorld(10_000, s.conditions), "one target of all": all} {
		in := w.fixed()
		path := (&model.Target{Group: groupARN("g7"), ID: "10.0.7.3", Port: 80}).Path()
		flip := func() {
			h := w.health[path]
			h.Since = h.Since.Add(1)
			w.health[path] = h
		}
		b.Run(name, func(b *testing.B) {
			table := routing.Compile(nil, in)
			loop(b, func(int) {
				flip()
				table = routing.Compile(table, in)
			})
		})
		b.Run(name+"/retarget", func(b *testing.B) {
			table := routing.Compile(nil, in)
			loop(b, func(int) {
				flip()
				table = table.Retarget(in, groupARN("g7"))
			})
		})
	}
}

// BenchmarkChoice among 100 targets, of which one is in slow start.
func BenchmarkChoice(b *testing.B) {
	g, _ := grouped(map[string]string{model.AttributeSlowStart: "100"}, 99, 1)
	load := map[string]int64{}
	for name, choose := range map[string]func(n uint64){
		"round robin":            func(n uint64) { routing.RoundRobin(g, n, second(2000), nil) },
		"round robin slow start": func(n uint64) { routing.RoundRobin(g, n, second(1050), nil) },
		"least outstanding": func(n uint64) {
			routing.LeastOutstanding(g, n, func(path string) int64 { return load[path] }, nil)
		},
		"weighted random": func(n uint64) { routing.WeightedRandom(g, n, nil, nil) },
		"hashed":          func(n uint64) { routing.Hashed(g, n, nil) },
	} {
		b.Run(name, func(b *testing.B) {
			loop(b, func(i int) { choose(uint64(i)) })
		})
	}
}
