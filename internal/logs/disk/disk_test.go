package disk_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/logs/frame"
)

var group = logs.Group{Region: "eu-west-1", Name: "/app/web", Created: 1}

func everything() logs.Query { return logs.Query{Group: group, To: math.MaxInt64} }

func read(t rapid.TB, s logs.Source, q logs.Query) []logs.Event {
	t.Helper()
	var list []logs.Event
	for e, err := range s.Events(context.Background(), q) {
		if err != nil {
			t.Fatalf("Events: %v", err)
		}
		list = append(list, e)
	}
	return list
}

// world is a store and what should be in it.
type world struct {
	*disk.Store
	cfg    disk.Config
	events map[string][]logs.Event // by stream, as they came
	marks  map[string]frame.Mark   // by stream/source
	now    int64
}

func (w *world) append(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "web/main/" + strings.Repeat("ü", 200)}).Draw(t, "stream")
	source := rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "source")
	w.now += rapid.Int64Range(0, 10).Draw(t, "time goes on")
	b := disk.Batch{Ingested: w.now, Source: source, Mark: frame.Mark{At: w.now * 1e6, Lines: 1}}
	for range rapid.IntRange(0, 4).Draw(t, "events") {
		at := w.now - rapid.Int64Range(-5, 20).Draw(t, "ago")
		message := fmt.Sprintf("%d%s", len(w.events[name])+len(b.Events), strings.Repeat(".", rapid.IntRange(0, 100).Draw(t, "length")))
		b.Events = append(b.Events, frame.Event{At: at, Message: message})
	}
	if err := w.Append(group, name, b); err != nil {
		t.Fatalf("Append: %v", err)
	}
	if source != "" {
		w.marks[name+"/"+source] = b.Mark
	}
	for _, e := range b.Events {
		w.events[name] = append(w.events[name], logs.Event{
			Place: logs.Place{At: e.At, Stream: name, Source: "here"}, Ingested: w.now, Message: e.Message,
		})
	}
	if w.events[name] == nil {
		w.events[name] = []logs.Event{}
	}
}

// kill opens the files as the next process finds them, perhaps with the beginning of a frame that was being written.
func (w *world) kill(t *rapid.T) {
	if rapid.Bool().Draw(t, "torn") {
		_ = filepath.WalkDir(w.cfg.Dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".open") {
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = f.Write([]byte{200, 0, 0, 0, 1, 2, 3, 4, 5})
				_ = f.Close()
			}
			return nil
		})
	}
	if err := w.Close(); err != nil { // only that the test does not run out of descriptors
		t.Fatal(err)
	}
	var err error
	if w.Store, err = disk.Open(w.cfg); err != nil {
		t.Fatalf("Open: %v", err)
	}
}

func (w *world) sealOrDelete(t *rapid.T) {
	for _, name := range slices.Sorted(maps.Keys(w.events)) {
		switch rapid.IntRange(0, 5).Draw(t, "what with "+name[:1]) {
		case 0:
			found, err := w.DeleteStream(t.Context(), group, name)
			if err != nil || !found {
				t.Fatalf("DeleteStream = %v, %v, want true", found, err)
			}
			delete(w.events, name)
			maps.DeleteFunc(w.marks, func(key string, _ frame.Mark) bool { return strings.HasPrefix(key, name+"/") })
		case 1, 2:
			if err := w.Seal(group, name); err != nil {
				t.Fatalf("Seal: %v", err)
			}
		}
	}
}

// check compares all that can be asked.
func (w *world) check(t *rapid.T) {
	var want []logs.Event
	for _, name := range slices.Sorted(maps.Keys(w.events)) {
		want = append(want, w.events[name]...)
	}
	slices.SortStableFunc(want, func(a, b logs.Event) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Stream, b.Stream))
	})
	all := read(t, w, everything())
	noSeq := cmpopts.IgnoreFields(logs.Place{}, "Seq")
	if diff := gocmp.Diff(want, all, noSeq, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("events (-appended +read):\n%s", diff)
	}
	w.checkQuery(t, all)
	for key, mark := range w.marks {
		i := strings.LastIndexByte(key, '/')
		if got, err := w.Mark(group, key[:i], key[i+1:]); err != nil || got != mark {
			t.Fatalf("Mark(%s) = %v, %v, want %v", key, got, err, mark)
		}
	}
	streams, err := w.Streams(t.Context(), group, "")
	if err != nil || len(streams) != len(w.events) {
		t.Fatalf("Streams = %v, %v, want %d", streams, err, len(w.events))
	}
	for _, st := range streams {
		var first, last int64
		for i, e := range w.events[st.Name] {
			if i == 0 || e.At < first {
				first = e.At
			}
			if i == 0 || e.At > last {
				last = e.At
			}
		}
		if st.First != first || st.Last != last {
			t.Fatalf("stream %.10s from %d to %d, want from %d to %d", st.Name, st.First, st.Last, first, last)
		}
	}
}

// checkQuery compares a query with all events filtered.
func (w *world) checkQuery(t *rapid.T, all []logs.Event) {
	q := logs.Query{
		Group: group, From: rapid.Int64Range(0, w.now).Draw(t, "from"), To: rapid.Int64Range(0, w.now+10).Draw(t, "to"),
		Reverse: rapid.Bool().Draw(t, "reverse"),
	}
	if rapid.Bool().Draw(t, "one stream") {
		q.Streams = []string{"a"}
	}
	if len(all) > 0 && rapid.Bool().Draw(t, "after") {
		q.After = &all[rapid.IntRange(0, len(all)-1).Draw(t, "after which")].Place
	}
	var want []logs.Event
	for _, e := range all {
		if q.Wants(e.Stream) && q.Includes(e.Place) {
			want = append(want, e)
		}
	}
	if q.Reverse {
		slices.Reverse(want)
	}
	if diff := gocmp.Diff(want, read(t, w, q), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("query %+v (-want +got):\n%s", q, diff)
	}
}

// TestStore appends, kills, seals and deletes in any order.
func TestStore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "logs") //nolint:usetesting // one for each check of the property
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		w := &world{cfg: disk.Config{Dir: dir, Source: "here", Segment: 300, Open: 2}, events: map[string][]logs.Event{}, marks: map[string]frame.Mark{}, now: 1000}
		if w.Store, err = disk.Open(w.cfg); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": w.append, "append more": w.append, "kill": w.kill, "seal or delete": w.sealOrDelete, "": w.check,
		})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func open(t *testing.T, segment int64) *disk.Store {
	t.Helper()
	s, err := disk.Open(disk.Config{Dir: t.TempDir(), Source: "here", Segment: segment})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return s
}

func put(t *testing.T, s *disk.Store, g logs.Group, stream string, at int64) {
	t.Helper()
	if err := s.Append(g, stream, disk.Batch{Ingested: at, Events: []frame.Event{{At: at, Message: "hello"}}}); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// TestGroupMadeAnew: what was kept of a group of the same name is gone when another one is made.
func TestGroupMadeAnew(t *testing.T) {
	t.Parallel()
	s := open(t, 0)
	put(t, s, group, "a", 5)
	again := group
	again.Created = 2
	if streams, err := s.Streams(t.Context(), again, ""); err != nil || len(streams) != 0 {
		t.Errorf("the new group has %v, %v, want nothing", streams, err)
	}
	put(t, s, again, "b", 6)
	if err := s.Append(group, "a", disk.Batch{Ingested: 7}); !errors.Is(err, logs.ErrNoGroup) {
		t.Errorf("Append to the old group = %v, want ErrNoGroup", err)
	}
	q := everything()
	if got := read(t, s, q); len(got) != 0 {
		t.Errorf("the old group has %v, want nothing", got)
	}
	q.Group = again
	if got := read(t, s, q); len(got) != 1 || got[0].Stream != "b" {
		t.Errorf("the new group has %v, want what was appended to it", got)
	}
}

func TestExpire(t *testing.T) {
	t.Parallel()
	s := open(t, 1) // each segment has one frame
	for at := range int64(6) {
		put(t, s, group, "live", at)
		put(t, s, group, "over", at)
	}
	if err := s.Seal(group, "over"); err != nil {
		t.Fatal(err)
	}
	other := logs.Group{Region: "eu-west-1", Name: "gone", Created: 1}
	put(t, s, other, "a", 9)
	if err := s.Expire(func(g logs.Group) (int64, bool) { return 3, g == group }); err != nil {
		t.Fatalf("Expire = %v", err)
	}
	var got []int64
	for _, e := range read(t, s, everything()) {
		got = append(got, e.At)
	}
	if diff := gocmp.Diff([]int64{3, 3, 4, 4, 5, 5}, got); diff != "" {
		t.Errorf("times that are left (-want +got):\n%s", diff)
	}
	if n := s.Bytes(other); n != 0 {
		t.Errorf("the deleted group has %d bytes, want none", n)
	}
	// Old events that came just now: whoever sent them goes on, perhaps.
	if err := s.Append(group, "late", disk.Batch{Ingested: 200, Source: "c", Mark: frame.Mark{At: 7, Lines: 1}, Events: []frame.Event{{At: 6, Message: "old"}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Expire(func(logs.Group) (int64, bool) { return 100, true }); err != nil {
		t.Fatalf("Expire = %v", err)
	}
	streams, err := s.Streams(t.Context(), group, "")
	if err != nil || len(streams) != 1 || streams[0].Name != "late" {
		t.Errorf("streams %v, %v, want only the one that somebody writes to", streams, err)
	}
	if mark, err := s.Mark(group, "late", "c"); err != nil || mark.At != 7 {
		t.Errorf("its mark is %v, %v, want what it was", mark, err)
	}
	put(t, s, group, "live", 300)
	if got := read(t, s, logs.Query{Group: group, From: 100, To: math.MaxInt64}); len(got) != 1 || got[0].At != 300 {
		t.Errorf("a stream that expired and goes on has %v, want what came then", got)
	}
}

func TestCreateStream(t *testing.T) {
	t.Parallel()
	s := open(t, 0)
	if err := s.CreateStream(group, "a", 7); err != nil {
		t.Fatalf("CreateStream = %v", err)
	}
	if err := s.CreateStream(group, "a", 8); !errors.Is(err, disk.ErrExists) {
		t.Errorf("CreateStream again = %v, want ErrExists", err)
	}
	want := []logs.Stream{{Name: "a", Created: 7}}
	if got, err := s.Streams(t.Context(), group, ""); err != nil || gocmp.Diff(want, got) != "" {
		t.Errorf("Streams = %v, %v, want %v", got, err, want)
	}
	if found, err := s.DeleteStream(t.Context(), group, "b"); found || err != nil {
		t.Errorf("DeleteStream of what is not there = %v, %v, want false", found, err)
	}
}

// TestDamaged: a sealed file whose middle was damaged hides what is behind it, and nothing else.
func TestDamaged(t *testing.T) {
	t.Parallel()
	cfg := disk.Config{Dir: t.TempDir(), Source: "here", Segment: 100}
	s, err := disk.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for at := range int64(20) {
		put(t, s, group, "a", at)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cfg.Dir, "*", "*", "*.seg"))
	if err != nil || len(files) < 2 {
		t.Fatalf("sealed files %v, %v, want some", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = disk.Open(cfg); err != nil {
		t.Fatalf("Open = %v", err)
	}
	defer func() { _ = s.Close() }()
	if got := read(t, s, everything()); len(got) != 19 {
		t.Errorf("%d events, want all but the damaged one", len(got))
	}
}

// TestSources merges two places and goes on without one that fails.
func TestSources(t *testing.T) {
	t.Parallel()
	one, two := open(t, 0), open(t, 0)
	for at := range int64(10) {
		put(t, map[bool]*disk.Store{true: one, false: two}[at%3 == 0], group, []string{"a", "b"}[at%2], at)
	}
	var failures []error
	both := logs.Sources{List: []logs.Source{one, broken{}, two}, Failed: func(err error) { failures = append(failures, err) }}
	for _, reverse := range []bool{false, true} {
		q := everything()
		q.Reverse = reverse
		var got []int64
		for _, e := range read(t, both, q) {
			got = append(got, e.At)
		}
		want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
		if reverse {
			slices.Reverse(want)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("reverse %v: times (-want +got):\n%s", reverse, diff)
		}
	}
	streams, err := both.Streams(t.Context(), group, "")
	if err != nil || len(streams) != 2 || streams[0].First != 0 || streams[0].Last != 8 || streams[1].First != 1 || streams[1].Last != 9 {
		t.Errorf("Streams = %+v, %v, want a from 0 to 8 and b from 1 to 9", streams, err)
	}
	if len(failures) != 3 {
		t.Errorf("failures %v, want one for each call", failures)
	}
	if found, err := (logs.Sources{List: []logs.Source{one, two}}).DeleteStream(t.Context(), group, "a"); !found || err != nil {
		t.Errorf("DeleteStream = %v, %v, want true", found, err)
	}
}
