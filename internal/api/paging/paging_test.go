package paging_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/control"
)

// TestPagesGiveEverythingOnce walks through the pages of a list that others change meanwhile: what is there all the time
// comes once, in order, and nothing comes twice.
func TestPagesGiveEverythingOnce(t *testing.T) {
	t.Parallel()
	query := paging.Of(control.Call{Operation: "List"}, "filter")
	itself := func(s string) string { return s }
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-c]{1,4}`)
		list := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(key, 0, 40).Draw(t, "keys"))))
		stays := slices.Clone(list)
		var got []string
		var token *string
		for first := true; first || token != nil; first = false {
			size := rapid.IntRange(1, 10).Draw(t, "page")
			after, ok := query.Key(token)
			if !ok {
				t.Fatalf("the token %q of the page before is refused", *token)
			}
			var part []string
			part, token = paging.Cut(query, slices.Clone(list), itself, strings.Compare, after, size)
			if len(part) > size {
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

// FuzzToken reads nothing from a token that was not made for the same question.
func FuzzToken(f *testing.F) {
	f.Add("q", *paging.Query("q").Token("key"))
	f.Add("q", "AAAAAAAAAAAAAAAA")
	f.Add("q", "")
	f.Fuzz(func(t *testing.T, text, token string) {
		query := paging.Query(text)
		key, ok := query.Key(&token)
		if ok && token != "" && *query.Token(key) != strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(token), "=") {
			t.Errorf("%q gives %q, which has another token", token, key)
		}
		if _, ok := (query + "x").Key(query.Token("k" + key)); ok {
			t.Error("a token of another question is read")
		}
	})
}
