package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// moment is when a service began to have other counts.
type moment struct {
	at               time.Time
	desired, running int
}

// history is what the counts of a service were, as the API says.
type history struct {
	mu   sync.Mutex
	all  []moment
	news chan struct{} // holds one: there is a moment more
	err  error
}

func newHistory() *history { return &history{news: make(chan struct{}, 1)} }

// follow looks at a service until ctx ends.
func (h *history) follow(ctx context.Context, a *api, service string) {
	const pause = 10 * time.Millisecond
	err := wait(ctx, pause, func() (bool, error) {
		desired, running, err := a.counts(ctx, service)
		if err != nil {
			return false, err
		}
		h.note(moment{time.Now(), desired, running})
		return false, nil
	})
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = errors.Join(h.err, err)
	h.tell()
}

// tell wakes who waits.
func (h *history) tell() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

func (h *history) note(m moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.all); n > 0 && h.all[n-1].desired == m.desired && h.all[n-1].running == m.running {
		return
	}
	h.all = append(h.all, m)
	h.tell()
}

func (h *history) now() moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return moment{}
	}
	return h.all[len(h.all)-1]
}

// counts are those of a service.
func (a *api) counts(ctx context.Context, service string) (desired, running int, err error) {
	var out struct {
		Services []struct{ DesiredCount, RunningCount int }
	}
	if err := a.call(ctx, "DescribeServices", object{"services": []string{service}}, &out); err != nil {
		return 0, 0, err
	}
	if len(out.Services) != 1 {
		return 0, 0, errors.New("the service " + service + " is not there")
	}
	return out.Services[0].DesiredCount, out.Services[0].RunningCount, nil
}

// first is the first moment after another for which something is true, zero if there is none.
func (h *history) first(after time.Time, is func(moment) bool) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.all {
		if m.at.After(after) && is(m) {
			return m.at
		}
	}
	return time.Time{}
}

// until waits for a moment, of now or of later, for which something is true.
func (h *history) until(ctx context.Context, most time.Duration, is func(moment) bool) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		h.mu.Lock()
		n, err := len(h.all), h.err
		seen := n > 0 && is(h.all[n-1])
		h.mu.Unlock()
		if seen || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the counts are %v: %w", h.now(), ctx.Err())
		case <-h.news:
		}
	}
}

// changes are the desired counts between two moments that were not the one before: the first one is that at the beginning.
func (h *history) changes(from, to time.Time) (counts []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.all {
		if m.at.After(to) {
			break
		}
		switch n := len(counts); {
		case n > 0 && !m.at.After(from):
			counts[0] = m.desired
		case n == 0 || counts[n-1] != m.desired:
			counts = append(counts, m.desired)
		}
	}
	return counts
}

// turns is how often the direction of changes changes.
func turns(counts []int) (n int) {
	for i := 2; i < len(counts); i++ {
		if (counts[i] > counts[i-1]) != (counts[i-1] > counts[i-2]) {
			n++
		}
	}
	return n
}

// bySecond gives the running tasks at the end of each second from one on.
func (h *history) bySecond(from int64, n int, of func(moment) int) (counts []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, now := 0, 0
	for s := range n {
		end := time.Unix(from+int64(s)+1, 0)
		for ; at < len(h.all) && h.all[at].at.Before(end); at++ {
			now = of(h.all[at])
		}
		counts = append(counts, now)
	}
	return counts
}
