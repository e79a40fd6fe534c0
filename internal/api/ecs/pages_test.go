package ecs

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/control"
)

// TestPagesGiveEverythingOnce walks through the pages of a list that others change meanwhile: what is there all the time
// comes once, in order, and nothing comes twice.
func TestPagesGiveEverythingOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-c]{1,4}`)
		list := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(key, 0, 40).Draw(t, "keys"))))
		stays := slices.Clone(list)
		var got []string
		var token *string
		for first := true; first || token != nil; first = false {
			size := rapid.Int32Range(1, 10).Draw(t, "page")
			p, err := newPager(control.Call{Operation: "List"}, pageLimits{10, 10}, &size, token, "filter")
			if err != nil {
				t.Fatalf("the token of the page before is refused: %v", err)
			}
			var part []string
			part, token = page(p, slices.Clone(list), itself, strings.Compare)
			if len(part) > int(size) {
				t.Fatalf("a page of %d has %d results", size, len(part))
			}
			got = append(got, part...)
			removed := key.Draw(t, "removed")
			list = slices.DeleteFunc(list, func(k string) bool { return k == removed })
			stays = slices.DeleteFunc(stays, func(k string) bool { return k == removed && !slices.Contains(got, k) })
			if added := key.Draw(t, "added"); !slices.Contains(list, added) {
				list = slices.Sorted(slices.Values(append(list, added)))
			}
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("got %v, want them in order and once", got)
		}
		seen := slices.DeleteFunc(slices.Clone(got), func(k string) bool { return !slices.Contains(stays, k) })
		if diff := cmp.Diff(stays, seen); len(stays) > 0 && diff != "" {
			t.Fatalf("what was there all the time (-want +got):\n%s", diff)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"1024", "1 vCPU", ".25 vcpu", "0.5 vCPU", "2GB", "-1", "1e9 vCPU", "9999999999999", " 256 ", "0.0001 vCPU", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := size(text, cpuPattern)
		if !ok {
			return
		}
		if n < 1 || n > math.MaxInt32 {
			t.Errorf("size(%q) = %d, want it between 1 and %d", text, n, math.MaxInt32)
		}
		if again, ok := size(strconv.Itoa(n), cpuPattern); !ok || again != n {
			t.Errorf("size(%q) = %d, which reads as %d again", text, n, again)
		}
	})
}

func FuzzToken(f *testing.F) {
	call := control.Call{Operation: "List"}
	limits := pageLimits{10, 10}
	p, err := newPager(call, limits, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	p.limit = 1
	_, good := page(p, []string{"a", "b"}, itself, strings.Compare)
	f.Add(*good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := newPager(call, limits, nil, &token)
		if err == nil && token != "" && token != *good {
			t.Errorf("the token %q is taken, after %q", token, p.after)
		}
	})
}
