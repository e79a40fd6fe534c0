package scaler_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestNoise: requests with noise of ±30 % in each second, and tasks that need some seconds until they are targets, never turn
// the direction of scaling in the fast lane, and by its alarms neither. What the load becomes is met.
func TestNoise(t *testing.T) {
	t.Parallel()
	for _, fast := range []string{"", " fast"} {
		for _, health := range []string{"0s", "5s", "20s", "90s"} {
			t.Run(health+fast, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.play(t, fmt.Sprintf("service desired=2%s\n----\n\ngroup HTTP\n----\n\nbalancer up\n----\n\nregister min=1 max=100\n----\n\n"+
					"health %s\n----\n\ntracking requests value=600\n----\n\n", fast, health))
				random := rand.New(rand.NewPCG(1, uint64(len(health+fast))))
				// Of 10 each second for a target: 1.5 tasks, then 5.5.
				r.noise(random, 15, 3*time.Minute)
				turns := r.noise(random, 55, 12*time.Minute)
				svc, _ := r.store.View().Service(service())
				if turns > 0 || svc.DesiredCount < 6 || svc.DesiredCount > 8 {
					t.Errorf("%d are desired after %d turns, want 6 or one or two more:\n%s", svc.DesiredCount, turns, r.told.String())
				}
			})
		}
	}
}

// noise lets time pass with so many requests each second, more or less, and says how often scaling turned back.
func (r *rig) noise(random *rand.Rand, requests float64, d time.Duration) (turns int) {
	r.told.Reset()
	was, _ := r.store.View().Service(service())
	count, up := was.DesiredCount, true
	for range int(d / time.Second) {
		r.front.requests = requests * (0.7 + 0.6*random.Float64())
		r.run(time.Second)
		svc, _ := r.store.View().Service(service())
		if svc.DesiredCount != count {
			if higher := svc.DesiredCount > count; higher != up {
				turns, up = turns+1, higher
			}
			count = svc.DesiredCount
		}
	}
	return turns
}
