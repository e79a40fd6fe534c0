package routing_test

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

const (
	scope       = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	balancerARN = scope + "loadbalancer/app/shop/50dc6c495c0c9188"
	listenerARN = scope + "listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2"
)

func groupARN(name string) string { return scope + "targetgroup/" + name + "/73e2d6bc24d8a067" }

func ruleARN(listener string, n int) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + fmt.Sprintf("/%016x", n)
}

// epoch is second 0 of the scripts.
var epoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func second(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }

// world is what a store and a balancer know, as the input of a table.
type world struct {
	balancers map[string]*model.LoadBalancer
	listeners map[string]*model.Listener
	rules     map[string]map[string]*model.Rule // by listener and ARN
	groups    map[string]*model.TargetGroup
	targets   map[string]map[string]*model.Target // by group and path
	health    map[string]routing.Health
}

func newWorld() *world {
	return &world{
		balancers: map[string]*model.LoadBalancer{balancerARN: {ARN: balancerARN, Name: "shop", Type: model.Application}},
		listeners: map[string]*model.Listener{},
		rules:     map[string]map[string]*model.Rule{},
		groups:    map[string]*model.TargetGroup{},
		targets:   map[string]map[string]*model.Target{},
		health:    map[string]routing.Health{},
	}
}

func ordered[V any](m map[string]V) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(m[k]) {
				return
			}
		}
	}
}

func (w *world) input() routing.Input {
	return routing.Input{
		LoadBalancers: ordered(w.balancers),
		Listeners:     ordered(w.listeners),
		Rules:         func(listener string) iter.Seq[*model.Rule] { return ordered(w.rules[listener]) },
		Group: func(arn string) (*model.TargetGroup, bool) {
			g, ok := w.groups[arn]
			return g, ok
		},
		Targets: func(group string) iter.Seq[*model.Target] { return ordered(w.targets[group]) },
		Health:  func(path string) routing.Health { return w.health[path] },
	}
}

// fixed is input whose sequences are made once, for benchmarks: a store keeps its records in order.
func (w *world) fixed() routing.Input {
	in := w.input()
	rules := map[string][]*model.Rule{}
	for l := range w.rules {
		rules[l] = slices.Collect(in.Rules(l))
	}
	targets := map[string][]*model.Target{}
	for g := range w.targets {
		targets[g] = slices.Collect(in.Targets(g))
	}
	in.Rules = func(listener string) iter.Seq[*model.Rule] { return slices.Values(rules[listener]) }
	in.Targets = func(group string) iter.Seq[*model.Target] { return slices.Values(targets[group]) }
	return in
}

func (w *world) listen(arn string, actions ...model.Action) {
	w.listeners[arn] = &model.Listener{ARN: arn, LoadBalancer: balancerARN, Port: 80, Protocol: "HTTP", Actions: actions}
}

func (w *world) rule(listener string, r model.Rule) {
	r.Listener = listener
	if r.ARN == "" {
		r.ARN = ruleARN(listener, len(w.rules[listener])+1)
	}
	if w.rules[listener] == nil {
		w.rules[listener] = map[string]*model.Rule{}
	}
	w.rules[listener][r.ARN] = &r
}

func (w *world) group(name string, attributes map[string]string) {
	arn := groupARN(name)
	w.groups[arn] = &model.TargetGroup{ARN: arn, Name: name, Protocol: "HTTP", TargetType: "ip", Attributes: attributes}
}

// target registers a target, or changes its record.
func (w *world) target(t model.Target, h routing.Health) {
	if w.targets[t.Group] == nil {
		w.targets[t.Group] = map[string]*model.Target{}
	}
	path := t.Path()
	w.targets[t.Group][path] = &t
	w.health[path] = h
}

func forward(groups ...string) model.Action {
	f := &model.Forward{}
	for _, g := range groups {
		f.Groups = append(f.Groups, model.WeightedGroup{Group: groupARN(g), Weight: 1})
	}
	return model.Action{Type: model.ActionForward, Forward: f}
}

func fixed(status int) model.Action {
	return model.Action{Type: model.ActionFixed, Fixed: &model.FixedResponse{Status: status}}
}

// request makes a request of "METHOD URL".
func request(method, url string, header map[string][]string) *routing.Request {
	_, rest, _ := strings.Cut(url, "://")
	at := strings.IndexAny(rest, "/?")
	if at < 0 {
		at = len(rest)
	}
	path, query, _ := strings.Cut(rest[at:], "?")
	return &routing.Request{
		Method: method, Host: rest[:at], Path: cmp.Or(path, "/"), Query: query,
		Header: func(name string) []string { return header[name] },
	}
}
