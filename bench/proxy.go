package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	proxyLasts = 1500 * time.Millisecond
	proxyWarm  = 200 * time.Millisecond
	bulkTimes  = 3 // of bulkSize in one sample
)

// proxies measures the balancer beside nginx and haproxy: the processor time of the proxy for each request, which hardly
// depends on who else is using the machine, and beside it what clients see.
func proxies(ctx context.Context, w *world) (err error) {
	wanted, err := regexp.Compile(w.loads)
	if err != nil {
		return fmt.Errorf("-loads: %w", err)
	}
	addresses, back, err := w.startBackend(ctx, 1)
	if err != nil {
		return fmt.Errorf("the backend: %w", err)
	}
	address := addresses[0]
	defer func() { err = errors.Join(err, back.stop()) }()
	all, err := w.startProxies(ctx, address)
	defer func() {
		for _, p := range all {
			err = errors.Join(err, p.stop())
		}
	}()
	if err != nil {
		return err
	}
	r := &race{world: w, proxies: append([]*proxy{{name: "direct", http: address, stream: address}}, all...), results: map[string]*result{}, wanted: wanted}
	if err := r.run(ctx); err != nil {
		return err
	}
	r.tell()
	return nil
}

// missing says, now and in the report, what cannot be measured here.
func (w *world) missing(format string, args ...any) {
	text := "NOT MEASURED: " + fmt.Sprintf(format, args...)
	w.progress("%s", text)
	w.notes = append(w.notes, text)
}

// startProxies starts what there is; maitred has to be.
func (w *world) startProxies(ctx context.Context, backend string) (all []*proxy, err error) {
	for _, peer := range []struct {
		name  string
		start func(context.Context, string) (*proxy, error)
	}{{"nginx", w.startNginx}, {"haproxy", w.startHaproxy}} {
		p, err := peer.start(ctx, backend)
		if err != nil {
			w.missing("%s: %v", peer.name, err)
			continue
		}
		all = append(all, p)
	}
	ours, err := w.startBalancers(ctx, backend)
	if err != nil {
		return all, err
	}
	all = append(all, ours)
	for _, p := range all {
		for _, address := range []string{p.http, p.stream} {
			if err := answers(ctx, address); err != nil {
				return all, fmt.Errorf("%s at %s: %w", p.name, address, err)
			}
		}
	}
	return all, nil
}

// answers waits until an address is served.
func answers(ctx context.Context, address string) error {
	if address == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return wait(ctx, 20*time.Millisecond, func() (bool, error) {
		_, err := load{address: address, conns: 1, lasts: time.Millisecond}.run(ctx)
		return err == nil, ctx.Err()
	})
}

// race is proxies taking turns.
type race struct {
	*world
	proxies []*proxy
	order   []string
	results map[string]*result
	wanted  *regexp.Regexp
}

// result is what one proxy did with one kind of load.
type result struct {
	proxy, kind   string
	rate          samples // requests, or MB, a second
	p50, p99, cpu samples // seconds; cpu for 100,000 requests, or for a GB
}

func (r *race) result(proxy, kind string) *result {
	key := proxy + "/" + kind
	if r.results[key] == nil {
		r.results[key] = &result{proxy: proxy, kind: kind}
		r.order = append(r.order, key)
	}
	return r.results[key]
}

func kept(conns int) string { return fmt.Sprintf("HTTP, %d connections", conns) }

const (
	fresh      = "HTTP, a new connection for each request, 64 at a time"
	streamed   = "TCP, 64 connections"
	bulkHTTP   = "HTTP, 100 MiB"
	bulkStream = "TCP, 100 MiB"
)

func (r *race) run(ctx context.Context) error {
	turns := min(r.n, r.turns)
	for i := range turns {
		r.progress("proxy, %d of %d", i+1, turns)
		for _, conns := range []int{16, 64, 256} {
			if err := r.each(ctx, kept(conns), false, load{conns: conns}); err != nil {
				return err
			}
		}
		if err := errors.Join(
			r.each(ctx, fresh, false, load{conns: 64, fresh: true}),
			r.each(ctx, streamed, true, load{conns: 64}),
			r.bulks(ctx, bulkHTTP, false), r.bulks(ctx, bulkStream, true),
		); err != nil {
			return err
		}
	}
	return nil
}

// each lets all proxies have a load, one after the other.
func (r *race) each(ctx context.Context, kind string, stream bool, l load) error {
	if !r.wanted.MatchString(kind) {
		return nil
	}
	for _, p := range r.proxies {
		if l.address = p.http; stream {
			l.address = p.stream
		}
		if l.address == "" {
			continue
		}
		l.lasts = proxyWarm
		if _, err := l.run(ctx); err != nil {
			return fmt.Errorf("%s, %s: %w", p.name, kind, err)
		}
		l.lasts = proxyLasts
		var got *loaded
		cpu, err := p.busy(func() (err error) {
			got, err = l.run(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s, %s: %w", p.name, kind, err)
		}
		to := r.result(p.name, kind)
		to.rate.add(got.rate())
		to.p50.add(got.times.quantile(0.5))
		to.p99.add(got.times.quantile(0.99))
		to.cpu.add(cpu / float64(got.requests) * 1e5)
	}
	return nil
}

// bulks lets all proxies send long bodies.
func (r *race) bulks(ctx context.Context, kind string, stream bool) error {
	if !r.wanted.MatchString(kind) {
		return nil
	}
	for _, p := range r.proxies {
		address := p.http
		if stream {
			address = p.stream
		}
		if address == "" {
			continue
		}
		began := time.Now()
		cpu, err := p.busy(func() error { return bulk(ctx, address) })
		if err != nil {
			return fmt.Errorf("%s, %s: %w", p.name, kind, err)
		}
		to := r.result(p.name, kind)
		to.rate.add(bulkTimes * bulkSize / 1e6 / time.Since(began).Seconds())
		to.cpu.add(cpu / (bulkTimes * bulkSize / 1e9))
	}
	return nil
}

func bulk(ctx context.Context, address string) error {
	c, err := dialBrowser(ctx, address)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	for range bulkTimes {
		if n, err := c.get([]byte(bulkHead)); err != nil || n != bulkSize {
			return fmt.Errorf("a body of %d bytes: %w", n, err)
		}
	}
	return nil
}

// busy is the processor time that a proxy takes meanwhile.
func (p *proxy) busy(meanwhile func() error) (float64, error) {
	if p.pids == nil {
		return 0, meanwhile()
	}
	pids, err := p.pids()
	if err != nil {
		return 0, err
	}
	before, err := cpuOf(pids...)
	if err != nil {
		return 0, err
	}
	if err := meanwhile(); err != nil {
		return 0, err
	}
	after, err := cpuOf(pids...)
	return after - before, err
}

// tell makes figures of the results, and a table of all of them.
func (r *race) tell() {
	for _, conns := range []int{16, 64, 256} {
		r.cpu(kept(conns), limit{Ratio: 1.10}, limit{Ratio: 1.35}, "nginx", "haproxy")
		r.late(kept(conns))
	}
	r.cpu(fresh, limit{Ratio: 1.3}, limit{}, "haproxy")
	r.cpu(fresh, limit{}, limit{Ratio: 2}, "nginx")
	r.cpu(streamed, limit{Ratio: 1.25}, limit{Ratio: 1.35}, "nginx")
	r.long(bulkHTTP, 1.5, 1)
	r.long(bulkStream, 1.7, 1.3)
	r.notes = append(r.notes, r.table())
}

// best is the peer with the lowest median.
func (r *race) best(kind string, of func(*result) samples, peers ...string) (name string, s samples) {
	name = "no peer"
	for _, peer := range peers {
		got := r.results[peer+"/"+kind]
		if got != nil && (s == nil || of(got).median() < s.median()) {
			name, s = peer, of(got)
		}
	}
	return name, s
}

func (r *race) cpu(kind string, goal, gate limit, peers ...string) {
	if !r.wanted.MatchString(kind) {
		return
	}
	of := func(x *result) samples { return x.cpu }
	name, floor := r.best(kind, of, peers...)
	r.figure(figure{
		Name: "processor time of 100,000 requests; " + kind, Unit: seconds, What: name,
		Floor: floor, Ours: r.results["maitred/"+kind].cpu, Goal: goal, Gate: gate,
	})
}

func (r *race) late(kind string) {
	if !r.wanted.MatchString(kind) {
		return
	}
	of := func(x *result) samples { return x.p99 }
	name, floor := r.best(kind, of, "nginx", "haproxy")
	r.figure(figure{
		Name: "p99; " + kind, Unit: seconds, What: name,
		Floor: floor, Ours: r.results["maitred/"+kind].p99, Goal: limit{Ratio: 1}, Gate: limit{Ratio: 1.3},
	})
}

// long compares bulk with nginx: seconds for a GB, so that less is better here too.
func (r *race) long(kind string, goal, gate float64) {
	if !r.wanted.MatchString(kind) {
		return
	}
	ours, peer := r.results["maitred/"+kind], r.results["nginx/"+kind]
	if peer == nil {
		peer = &result{}
	}
	r.figure(figure{
		Name: "time of a GB; " + kind, Unit: seconds, What: "nginx", Floor: perGB(peer.rate), Ours: perGB(ours.rate),
		Goal: limit{Ratio: 1 / goal}, Gate: limit{Ratio: 1 / gate},
	})
	r.figure(figure{Name: "processor time of a GB; " + kind, Unit: seconds, What: "nginx", Floor: peer.cpu, Ours: ours.cpu, Goal: limit{Ratio: 0.5}})
}

func perGB(rates samples) (times samples) {
	for _, rate := range rates {
		times.add(1000 / rate)
	}
	return times
}

// table has all that was measured: medians, with the range of processor times.
func (r *race) table() string {
	var b strings.Builder
	b.WriteString("| load | proxy | requests or MB a second | of direct | p50 | p99 | p99 of direct | processor time of 100,000 requests or a GB |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var kinds []string
	for _, key := range r.order {
		if kind := r.results[key].kind; !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	for _, kind := range kinds {
		direct := r.results["direct/"+kind]
		for _, p := range r.proxies {
			if got := r.results[p.name+"/"+kind]; got != nil {
				b.WriteString(got.row(direct))
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (x *result) row(direct *result) string {
	late, cpu := "–", "–"
	if d := direct.p99.median(); d > 0 {
		late = fmt.Sprintf("%.2f", x.p99.median()/d)
	}
	if x.cpu.median() > 0 {
		cpu = spread(x.cpu, seconds)
	}
	return fmt.Sprintf("| %s | %s | %.0f | %.2f | %s | %s | %s | %s |\n", x.kind, x.proxy, x.rate.median(), x.rate.median()/direct.rate.median(),
		format(x.p50.median(), seconds), format(x.p99.median(), seconds), late, cpu)
}
