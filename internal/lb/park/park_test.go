package park_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/lb/park"
)

// TestOrder has requests wait for a target that is there only now and then: they go on one by one as they came, and it is
// said when the first one came and when the last one was gone.
func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said []string
		lot := park.New(time.Now, func(group string, since time.Time) { said = append(said, fmt.Sprint(group, " ", !since.IsZero())) })
		there := false
		var order []int
		for i := range 20 {
			p, ok := lot.Enter("g", 20)
			if !ok {
				t.Fatalf("no place for request %d", i)
			}
			go func() {
				defer p.Leave()
				for range p.Called() {
					if there {
						order = append(order, i) // one at a time
						return
					}
				}
			}()
		}
		if _, ok := lot.Enter("g", 20); ok {
			t.Error("there was a place beyond the last one")
		}
		synctest.Wait()
		lot.Look(func(string) bool { return false })
		synctest.Wait()
		if len(order) > 0 || lot.Waiting("g") != 20 {
			t.Errorf("without a target %v went on", order)
		}
		there = true
		lot.Look(func(string) bool { return true })
		synctest.Wait()
		if !slices.IsSorted(order) || len(order) != 20 || lot.Waiting("g") != 0 {
			t.Errorf("they went on in the order %v, and %d wait", order, lot.Waiting("g"))
		}
		if want := []string{"g true", "g false"}; !slices.Equal(said, want) {
			t.Errorf("it was said: %q", said)
		}
	})
}

// TestNobodyIsForgotten has requests come and go at any time: as long as there is a target, the first one is called.
func TestNobodyIsForgotten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		demand := map[string]bool{}
		lot := park.New(time.Now, func(group string, since time.Time) {
			if demand[group] == !since.IsZero() {
				t.Fatalf("of %s it is said again that anybody waits: %v", group, demand[group])
			}
			demand[group] = !since.IsZero()
		})
		places := map[string][]*park.Place{}
		open := map[string]bool{}
		groups := rapid.SampledFrom([]string{"a", "b"})
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				g := groups.Draw(t, "group")
				p, ok := lot.Enter(g, 5)
				if ok != (len(places[g]) < 5) {
					t.Fatalf("a place: %v, and %d wait", ok, len(places[g]))
				}
				if ok {
					places[g] = append(places[g], p)
				}
			},
			"leave": func(t *rapid.T) {
				g := groups.Draw(t, "group")
				if len(places[g]) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(places[g])-1).Draw(t, "which")
				places[g][i].Leave()
				places[g] = slices.Delete(places[g], i, i+1)
			},
			"look": func(t *rapid.T) {
				for _, g := range []string{"a", "b"} {
					open[g] = rapid.Bool().Draw(t, "open")
				}
				lot.Look(func(g string) bool { return open[g] })
			},
			"served": func(t *rapid.T) { // who is called and finds a target goes on
				g := groups.Draw(t, "group")
				if len(places[g]) == 0 || !open[g] {
					t.Skip()
				}
				select {
				case <-places[g][0].Called():
					places[g][0].Leave()
					places[g] = places[g][1:]
				default:
					t.Fatalf("there is a target for %s, and the first of %d is not called", g, len(places[g]))
				}
			},
			"": func(t *rapid.T) {
				for _, g := range []string{"a", "b"} {
					if lot.Waiting(g) != len(places[g]) || demand[g] != (len(places[g]) > 0) {
						t.Fatalf("%d wait for %s and not %d; it was said %v", lot.Waiting(g), g, len(places[g]), demand[g])
					}
				}
			},
		})
	})
}
