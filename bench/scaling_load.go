package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// arrivals are requests that come at a rate, however long their answers take.
type arrivals struct {
	url    string
	client *http.Client
	rate   atomic.Int64 // a second

	mu      sync.Mutex
	workers map[string]time.Time // when each was heard of first
	seconds map[int64]int        // how many requests were sent, by Unix time
	sent    int
	failed  int
	failure error // the first
}

func newArrivals(url string) *arrivals {
	const most = 512 // connections that are kept
	return &arrivals{
		url: url, workers: map[string]time.Time{}, seconds: map[int64]int{},
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: most}},
	}
}

// run sends requests until ctx ends, and waits for their answers.
func (a *arrivals) run(ctx context.Context) {
	const pause = 5 * time.Millisecond
	var open sync.WaitGroup
	defer open.Wait()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	due, last := 0.0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			due += float64(a.rate.Load()) * now.Sub(last).Seconds()
			for last = now; due >= 1; due-- {
				a.count(now)
				open.Go(func() { a.send(context.WithoutCancel(ctx)) })
			}
		}
	}
}

func (a *arrivals) count(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent++
	a.seconds[now.Unix()]++
}

func (a *arrivals) send(ctx context.Context) {
	worker, err := a.ask(ctx)
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		if a.failed++; a.failure == nil {
			a.failure = err
		}
		return
	}
	if _, known := a.workers[worker]; !known {
		a.workers[worker] = now
	}
}

func (a *arrivals) ask(ctx context.Context) (worker string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, http.NoBody)
	if err != nil {
		return "", err
	}
	answer, err := a.client.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it is answered with %s", answer.Status)
	}
	return answer.Header.Get("X-Worker"), nil
}

// firstNew is when a worker was heard of for the first time after a moment; zero if none was.
func (a *arrivals) firstNew(after time.Time) (first time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, at := range a.workers {
		if at.After(after) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// failures tells how many of all requests failed.
func (a *arrivals) failures() (failed, sent int, first error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed, a.sent, a.failure
}

// between gives how many requests were sent in each second from one on to another.
func (a *arrivals) between(from, to int64) (counts []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := from; s < to; s++ {
		counts = append(counts, a.seconds[s])
	}
	return counts
}
