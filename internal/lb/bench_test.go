package lb_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// BenchmarkTargetChanges has 1,000 of a group's targets change, one a millisecond, in a world of rules that all lead there:
// cpu-ms/s is what store and balancer take of a CPU.
func BenchmarkTargetChanges(b *testing.B) {
	for _, rules := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) { benchmarkChanges(b, rules) })
	}
}

func benchmarkChanges(b *testing.B, rules int) {
	backend := mem.New(mem.Options{})
	s, err := store.Open(b.Context(), backend, store.Scope{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	put := func(records ...model.Record) {
		if _, err := s.Update(context.Background(), func(tx *store.Tx) error {
			for _, r := range records {
				tx.Put(r)
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	f := newFront(b)
	f.group.Check.Disabled = true
	put(&f.lb, &f.listener, &f.group)
	for i := range rules {
		put(&model.Rule{
			ARN: fmt.Sprintf("%s-rule/app/web/0123456789abcdef/fedcba9876543210/%016x", account, i), Listener: listenerARN, Priority: i + 1,
			Conditions: []model.Condition{{Field: model.FieldPath, Values: []string{fmt.Sprintf("/%d/*", i)}}}, Actions: f.listener.Actions,
		})
	}
	targets := make([]*model.Target, 1000)
	for i := range targets {
		targets[i] = &model.Target{Group: groupARN, ID: fmt.Sprintf("127.1.%d.%d", i/250, i%250), Address: "127.0.0.1", Port: 80}
		put(targets[i])
	}
	balancer, err := lb.New(lb.Config{Store: s, ID: balancerID, Random: func() uint64 { return 0 }, Secret: make([]byte, 16)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- balancer.Run(ctx) }()
	eventually(b, "it serves", func() bool { g := balancer.Table().Groups[groupARN]; return g != nil && len(g.Targets) == len(targets) })
	before, tick := cpu(b), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	i := 0
	for b.Loop() {
		<-tick.C
		t := targets[i%len(targets)]
		if i++; (i/len(targets))%2 == 0 {
			put(drained(t, time.Hour))
		} else {
			put(t)
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/1e6/b.Elapsed().Seconds(), "cpu-ms/s")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

// cpu is what this process has taken.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
