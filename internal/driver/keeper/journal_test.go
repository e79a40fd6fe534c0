package keeper

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
)

func TestJournalRemembers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, old, err := openJournal(dir)
	if err != nil || len(old) != 0 {
		t.Fatalf("a new journal = %v, %v, want nothing", old, err)
	}
	code := 3
	end := &driver.Status{ID: "a", State: driver.Exited, ExitCode: &code}
	for _, rec := range []record{
		{ID: "a", Boot: "b", Spec: &Spec{ID: "a", Argv: []string{"x"}, Env: []string{"PASSWORD=hidden", "A=1"}}},
		{ID: "gone", Boot: "b"},
		{ID: "a", PID: 7, Ticks: 8, Pipe: 9, Cgroup: "/c", Status: &driver.Status{ID: "a", State: driver.Running}},
		{ID: "gone", Gone: true},
		{ID: "a", Status: end},
		{ID: "begun", Boot: "b"},
	} {
		if err := j.add(rec); err != nil {
			t.Fatal(err)
		}
	}
	// The machine crashed in the middle of a line.
	if _, err := j.file.WriteString(`{"id":"a","gone":tr`); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	want := []record{
		{ID: "a", Boot: "b", Spec: &Spec{ID: "a", Argv: []string{"x"}}, Mark: markOf([]string{"A=1", "PASSWORD=hidden"}), PID: 7, Ticks: 8, Pipe: 9, Cgroup: "/c", Status: end},
		{ID: "begun", Boot: "b"},
	}
	for range 2 { // the second time from the rewritten file
		j, got, err := openJournal(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		_ = j.close()
	}
	if text, _ := os.ReadFile(filepath.Join(dir, journalName)); bytes.Count(text, []byte("\n")) != 2 {
		t.Errorf("the rewritten journal is %q, want two lines", text)
	}
}

// TestJournalKeepsNoEnvironment: neither what is written, nor what an earlier version wrote before.
func TestJournalKeepsNoEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, journalName)
	old := `{"id":"old","spec":{"id":"old","argv":["x"],"env":["PASSWORD=hidden"],"dir":"/"}}` + "\n"
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	j, records, err := openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"PASSWORD=hidden"}, records[0].Spec.Env); diff != "" {
		t.Errorf("environment of a container that an earlier version started (-want +got):\n%s", diff)
	}
	spec := &Spec{ID: "new", Env: []string{"PASSWORD=hidden"}}
	if err := j.add(record{ID: "new", Spec: spec}); err != nil {
		t.Fatal(err)
	}
	_ = j.close()
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte("hidden")) || bytes.Count(text, []byte("\n")) != 2 {
		t.Errorf("the journal is %q, %v, want two lines without the environment", text, err)
	}
	if len(spec.Env) != 1 {
		t.Errorf("the spec that was written has the environment %q now, want it as it was", spec.Env)
	}
	_, records, err = openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		if want := markOf(spec.Env); rec.mark() != want {
			t.Errorf("the mark of %s is %d, want %d", rec.ID, rec.mark(), want)
		}
	}
	if none := (record{Spec: &Spec{}}).bare(); none.mark() != markOf(nil) {
		t.Errorf("the mark of no environment is %d, want %d", none.mark(), markOf(nil))
	}
}

func TestJournalAfterATornLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _, err := openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = j.file.WriteString(`{"id":"half`)
	j.torn = true
	if err := j.add(record{ID: "whole"}); err != nil {
		t.Fatal(err)
	}
	_ = j.close()
	_, got, err := openJournal(dir)
	if diff := cmp.Diff([]record{{ID: "whole"}}, got); diff != "" || err != nil {
		t.Errorf("records, %v (-want +got):\n%s", err, diff)
	}
}

func TestJournalStaysSmall(t *testing.T) {
	t.Parallel()
	j := &journal{lines: 1000}
	if j.bloated(0) {
		t.Error("a journal of 1000 lines is bloated, want not")
	}
	j.lines = 1801
	if !j.bloated(100) || j.bloated(101) {
		t.Error("a journal of 1801 lines: want it bloated for 100 containers, not for 101")
	}
}

// FuzzJournal looks for bytes that make the parser panic, name a container twice or none.
func FuzzJournal(f *testing.F) {
	f.Add([]byte("{\"id\":\"a\"}\n{\"id\":\"a\",\"gone\":true}\n"))
	f.Add([]byte("{\"id\":\"a\",\"spec\":{\"argv\":[\"x\"]}}\nhalf{\n{\"id\":\"a\",\"pid\":3}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := parseJournal(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, rec := range records {
			if rec.ID == "" || seen[rec.ID] || rec.Gone {
				t.Fatalf("records %+v: want each once, with an id, and none gone", records)
			}
			seen[rec.ID] = true
		}
	})
}

func BenchmarkJournal(b *testing.B) {
	j, _, err := openJournal(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	rec := record{ID: "a", Spec: &Spec{Argv: []string{"x"}, Env: strings.Split(strings.Repeat("KEY=some value\n", 30), "\n")}}
	for i := 0; b.Loop(); i++ {
		rec.ID = strconv.Itoa(i)
		if err := j.add(rec); err != nil {
			b.Fatal(err)
		}
	}
}
