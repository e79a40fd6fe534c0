package driver_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/driver"
)

// TestMark stops reading a log anywhere, any number of times: nothing is lost and nothing comes twice.
func TestMark(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var log []driver.Line
		at := time.Unix(1000, 0)
		if rapid.Bool().Draw(t, "without times") {
			at = time.Time{}
		}
		for range rapid.IntRange(0, 30).Draw(t, "lines") {
			if !at.IsZero() && rapid.Bool().Draw(t, "later") {
				at = at.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "by")))
			}
			log = append(log, driver.Line{At: at, Text: []byte{byte(len(log))}})
		}
		open := func(since time.Time) iter.Seq2[driver.Line, error] {
			return func(yield func(driver.Line, error) bool) {
				for _, line := range log {
					if !line.At.Before(since) && !yield(line, nil) {
						return
					}
				}
			}
		}
		var got []driver.Line
		var mark driver.Mark
		for done := false; !done; {
			left := rapid.IntRange(1, 5).Draw(t, "taken at once")
			done = true
			for line, err := range mark.After(open) {
				if err != nil {
					t.Fatal(err)
				}
				if left--; left < 0 {
					done = false
					break
				}
				got = append(got, line)
				mark.Take(line)
			}
		}
		if diff := cmp.Diff(log, got); diff != "" {
			t.Errorf("lines (-written +read):\n%s", diff)
		}
	})
}

func TestMarkPassesErrors(t *testing.T) {
	t.Parallel()
	want := errors.New("broken")
	mark := driver.Mark{At: time.Unix(5, 0), Lines: 2}
	for _, err := range mark.After(func(time.Time) iter.Seq2[driver.Line, error] { return driver.Failed(want) }) {
		if !errors.Is(err, want) {
			t.Errorf("the error is %v, want %v", err, want)
		}
		return
	}
	t.Error("there was no error")
}
