package meter

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/meter/exposition"
	"github.com/maitred/maitred/internal/reading"
)

// bounds are those of the histogram of times that targets take, in seconds.
func bounds() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}

// addLatency adds a distribution to a histogram. A bucket counts where its middle is.
func addLatency(f *exposition.Family, l *reading.Latency, labels []string) {
	list := bounds()
	atMost := make([]float64, len(list))
	for _, b := range l.Buckets {
		for i, bound := range list {
			if reading.Middle(b.Bucket) <= bound {
				atMost[i] += float64(b.Count)
			}
		}
	}
	f.AddHistogram(list, atMost, float64(l.Count), l.Sum, labels...)
}

// balancerLabels are those of a load balancer, given by ARN.
func balancerLabels(balancer string) []string {
	of := balancerSubject(balancer)
	return []string{"region", of.region, "load_balancer", of.balancer}
}

func (t *totals) requestFamilies() []exposition.Family {
	requests := counter("requests", "Requests for which a target was chosen.")
	answers := counter("responses", "Responses by the class of their codes, and by who made them: a target, or the load balancer itself.")
	times := exposition.Family{
		Name: "maitred_target_response_seconds", Type: exposition.Histogram, Help: "Time until targets began to answer.",
	}
	moved := counter("http_bytes", "Bytes of requests and responses, heads included.")
	failed := counter("target_connection_errors", "Connections to targets that failed.")
	for _, k := range slices.SortedFunc(maps.Keys(t.requests), func(a, b wayKey) int {
		return cmp.Or(strings.Compare(a.balancer, b.balancer), strings.Compare(a.group, b.group))
	}) {
		r := t.requests[k]
		labels := append(balancerLabels(k.balancer), "target_group", groupSubject(k.group).group)
		addAnswers(&answers, &moved, labels, r)
		if k.group == "" {
			continue
		}
		requests.Add(float64(r.Chosen), labels...)
		failed.Add(float64(r.ConnErrors), labels...)
		addLatency(&times, &r.Latency, labels)
	}
	return []exposition.Family{requests, answers, times, moved, failed}
}

func (t *totals) connectionFamilies() []exposition.Family {
	opened := counter("connections", "Connections that clients opened to Application Load Balancers.")
	active := gauge("open_connections", "Connections of clients to Application Load Balancers that are open.")
	flows := counter("flows", "Connections of TCP and TLS and flows of UDP that got a target.")
	open := gauge("open_flows", "Connections of TCP and TLS and flows of UDP that are open.")
	moved := counter("flow_bytes", "Bytes of connections of TCP and TLS and flows of UDP.")
	resets := counter("flow_resets", "Connections of TCP and TLS that were reset, by who did it.")
	refused := counter("flows_refused", "Connections of TCP and TLS and flows of UDP that got no target.")
	for _, b := range slices.Sorted(maps.Keys(t.opened)) {
		opened.Add(float64(t.opened[b]), balancerLabels(b)...)
	}
	sumActive(&active, t.listeners)
	for _, k := range slices.SortedFunc(maps.Keys(t.flows), func(a, b flowKey) int {
		return cmp.Or(strings.Compare(a.balancer, b.balancer), strings.Compare(a.protocol, b.protocol))
	}) {
		f := t.flows[k]
		labels := append(balancerLabels(k.balancer), "protocol", k.protocol)
		with := func(more ...string) []string { return append(slices.Clip(labels), more...) }
		flows.Add(float64(f.New), labels...)
		moved.Add(float64(f.Received), with("direction", "in")...)
		moved.Add(float64(f.Sent), with("direction", "out")...)
		resets.Add(float64(f.ClientResets), with("by", "client")...)
		resets.Add(float64(f.TargetResets), with("by", "target")...)
		resets.Add(float64(f.OwnResets), with("by", "load_balancer")...)
		refused.Add(float64(f.Rejected+f.Blocked+f.NoTarget+f.Unreachable+f.ClientTLS+f.TargetTLS), labels...)
	}
	sumOpen(&open, t.flowing)
	return []exposition.Family{opened, active, flows, open, moved, resets, refused}
}

func sumActive(to *exposition.Family, by map[sourceID][]reading.Listener) {
	sums := map[subject]int64{}
	for _, list := range by {
		for _, l := range list {
			sums[balancerSubject(l.ARN)] += l.Active
		}
	}
	for _, of := range slices.SortedFunc(maps.Keys(sums), bySubject) {
		to.Add(float64(sums[of]), "region", of.region, "load_balancer", of.balancer)
	}
}

func sumOpen(to *exposition.Family, by map[sourceID][]reading.Flow) {
	sums := map[subject]int64{}
	for _, list := range by {
		for i := range list {
			sums[balancerSubject(list[i].Listener)] += list[i].Active
		}
	}
	for _, of := range slices.SortedFunc(maps.Keys(sums), bySubject) {
		to.Add(float64(sums[of]), "region", of.region, "load_balancer", of.balancer)
	}
}

func bySubject(a, b subject) int {
	return cmp.Or(strings.Compare(a.region, b.region), strings.Compare(a.balancer, b.balancer))
}

// groupFamilies are what each balancer knows of target groups: they need not agree.
func (t *totals) groupFamilies() []exposition.Family {
	healthy := gauge("target_group_healthy_targets", "Targets that are healthy, as a balancer sees them.")
	unhealthy := gauge("target_group_unhealthy_targets", "Targets that are unhealthy, as a balancer sees them.")
	flight := gauge("target_group_in_flight", "Requests, connections and flows that targets have from a balancer.")
	for id, groups := range ordered(t.groups) {
		for _, g := range groups {
			of := groupSubject(g.ARN)
			labels := []string{"region", of.region, "target_group", of.group, "balancer", id.id}
			healthy.Add(float64(g.Healthy), labels...)
			unhealthy.Add(float64(g.Unhealthy), labels...)
			flight.Add(float64(g.InFlight), labels...)
		}
	}
	return []exposition.Family{healthy, unhealthy, flight}
}

// addAnswers adds what became of requests: responses by the class of their codes and by who made them, and bytes.
func addAnswers(answers, moved *exposition.Family, labels []string, r *reading.Requests) {
	with := func(more ...string) []string { return append(slices.Clip(labels), more...) }
	for class, name := range [...]string{"2xx", "3xx", "4xx", "5xx"} {
		if n := r.Answers[class]; n > 0 {
			answers.Add(float64(n), with("from", "target", "class", name)...)
		}
		if n := r.Own[class]; n > 0 {
			answers.Add(float64(n), with("from", "load_balancer", "class", name)...)
		}
	}
	moved.Add(float64(r.Received), with("direction", "in")...)
	moved.Add(float64(r.Sent), with("direction", "out")...)
}
