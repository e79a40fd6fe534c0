package keeper

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/driver"
)

// told is a line as a reader gets it.
type told struct {
	At   time.Time
	Text string
}

// reading reads files of a log, as a follower does whenever there is more.
type reading struct {
	*logReader
	lines []told
}

func newReading(dir string, since time.Time) *reading {
	r := &reading{logReader: &logReader{dir: dir, since: since, buf: bufio.NewReader(nil)}}
	r.max = driver.MaxLine
	r.tell = func(at time.Time, text []byte) bool {
		r.lines = append(r.lines, told{at, string(text)})
		return true
	}
	return r
}

func (r *reading) texts() []string {
	texts := make([]string, len(r.lines))
	for i, l := range r.lines {
		texts[i] = l.Text
	}
	return texts
}

func newLogDir(t testing.TB, size int64, keep int) *logDir {
	t.Helper()
	dir, err := os.MkdirTemp("", "logs") //nolint:usetesting // one for each check of a property
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &logDir{path: dir, size: size, keep: keep}
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

func TestLogFormat(t *testing.T) {
	t.Parallel()
	log := rotated{dir: newLogDir(t, 1<<20, 3), id: "a"}
	for i, chunk := range []string{"one\ntwo\n", "thr", "ee\n\n", "rest"} {
		if err := log.write([]byte(chunk), began.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(log.dir.path, "a.1.log"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "2026-03-01T12:00:00.250000000Z one\n2026-03-01T12:00:00.250000001Z two\n" +
		"2026-03-01T12:00:01.250000000Z three\n2026-03-01T12:00:02.250000000Z \n2026-03-01T12:00:03.250000000Z rest"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	if err := log.close(); err != nil {
		t.Fatal(err)
	}
	next := rotated{dir: log.dir, id: "a"}
	next.found("a.1.log")
	if err := next.resume(); err != nil {
		t.Fatal(err)
	}
	if err := next.write([]byte(" of it\n"), began); err != nil {
		t.Fatal(err)
	}
	r := newReading(log.dir.path, time.Time{})
	if err := r.read(next.names); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two", "three", "", "rest of it"}, r.texts()); diff != "" {
		t.Errorf("lines across two keepers (-want +got):\n%s", diff)
	}
}

// TestLogRoundTrip writes anything in any chunks with rotation and restarts, and reads it meanwhile.
func TestLogRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir := newLogDir(t, minLogSize, 1<<20)
		log := &rotated{dir: dir, id: "a"}
		reader := newReading(dir.path, time.Time{})
		var all bytes.Buffer
		now := began
		for range rapid.IntRange(0, 12).Draw(rt, "chunks") {
			chunk := []byte(rapid.StringMatching(`([a-c\n ]{0,9}|(xyz){0,900}\n?)`).Draw(rt, "chunk"))
			all.Write(chunk)
			now = now.Add(time.Duration(rapid.Int64Range(-5, 5).Draw(rt, "clock")) * time.Second)
			if err := log.write(chunk, now); err != nil {
				rt.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(rt, "what then") == 0 {
				log = restarted(rt, log)
			}
			if rapid.Bool().Draw(rt, "read") {
				if err := reader.read(log.names); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if err := reader.read(log.names); err != nil {
			rt.Fatal(err)
		}
		reader.finish()
		want := strings.Split(all.String(), "\n")
		if last := len(want) - 1; want[last] == "" {
			want = want[:last]
		}
		if diff := cmp.Diff(want, reader.texts(), equalEmpty()); diff != "" {
			rt.Fatalf("lines (-written +read):\n%s", diff)
		}
		if !slices.IsSortedFunc(reader.lines, func(a, b told) int { return a.At.Compare(b.At) }) {
			rt.Fatalf("the times go back: %v", reader.lines)
		}
		checkSizes(rt, dir)
	})
}

func equalEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b []string) bool { return len(a)+len(b) == 0 }, cmp.Ignore())
}

// restarted is the log as the next keeper finds it.
func restarted(t *rapid.T, log *rotated) *rotated {
	if err := log.close(); err != nil {
		t.Fatal(err)
	}
	next := &rotated{dir: log.dir, id: log.id}
	names, err := log.dir.list()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		next.found(name)
	}
	if err := next.resume(); err != nil {
		t.Fatal(err)
	}
	next.stamp.last = max(next.stamp.last, log.stamp.last) // the clock of the files is another one here
	return next
}

func checkSizes(t *rapid.T, dir *logDir) {
	entries, err := os.ReadDir(dir.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Size() > dir.size {
			t.Fatalf("%s has %d bytes, want at most %d", e.Name(), info.Size(), dir.size)
		}
	}
}

// TestOldLogs: what a keeper of an earlier version wrote is readable, without times.
func TestOldLogs(t *testing.T) {
	t.Parallel()
	dir := newLogDir(t, 1<<20, 3)
	for name, text := range map[string]string{"a.1": "one\nt", "a.2": "wo\nthree"} {
		if err := os.WriteFile(filepath.Join(dir.path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := &rotated{dir: dir, id: "a"}
	log.found("a.1")
	log.found("a.2")
	if err := log.resume(); err != nil {
		t.Fatal(err)
	}
	if err := log.write([]byte(" four\nfive\n"), began); err != nil {
		t.Fatal(err)
	}
	r := newReading(dir.path, time.Time{})
	if err := r.read(log.names); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two", "three four", "five"}, r.texts()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if !r.lines[0].At.IsZero() || r.lines[3].At.IsZero() {
		t.Errorf("times %v and %v, want none of the old line and one of the new", r.lines[0].At, r.lines[3].At)
	}
}

// TestLogSince begins at the file that holds the time.
func TestLogSince(t *testing.T) {
	t.Parallel()
	dir := newLogDir(t, minLogSize, 100)
	log := &rotated{dir: dir, id: "a"}
	for i := range 100 {
		if err := log.write(fmt.Appendf(nil, "line %02d %s\n", i, strings.Repeat("x", 60)), began.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	for _, since := range []time.Duration{-time.Hour, 0, 1, 49*time.Second + 1, 99 * time.Second, time.Hour} {
		r := newReading(dir.path, began.Add(since))
		if err := r.read(log.names); err != nil {
			t.Fatal(err)
		}
		first := slices.IndexFunc(r.lines, func(l told) bool { return !l.At.Before(r.since) })
		var got int
		if first >= 0 {
			got = len(r.lines) - first
		}
		want := 100 - int(max(0, min(100, (since+time.Second-1)/time.Second)))
		if got != want {
			t.Errorf("since %v there are %d lines, want %d", since, got, want)
		}
		if first > 12 {
			t.Errorf("since %v %d lines before were read: whole files are to be skipped", since, first)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("2026-03-01T12:00:00.250000000Z one\n2026-03-01T12:00:00.250000001Z+two\nrest"), 7)
	f.Add([]byte("2026-02-30T12:00:00.250000000Z one"), 31)
	f.Add([]byte("\n\n+"), 0)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		read := func(pieces ...[]byte) (lines []told) {
			r := records{max: 64, tell: func(at time.Time, text []byte) bool {
				if len(text) > 64 {
					t.Errorf("a line of %d bytes", len(text))
				}
				lines = append(lines, told{at, string(text)})
				return true
			}}
			for _, p := range pieces {
				for len(p) > 0 {
					line, rest, end := bytes.Cut(p, []byte("\n"))
					r.add(line, end)
					p = rest
				}
			}
			r.endOfFile()
			r.finish()
			return lines
		}
		cut = min(max(cut, 0), len(text))
		if diff := cmp.Diff(read(text), read(text[:cut], text[cut:])); diff != "" {
			t.Errorf("it matters how the bytes arrive (-at once +in two parts):\n%s", diff)
		}
	})
}

// BenchmarkLog compares what a line costs with a plain copy of the same bytes.
func BenchmarkLog(b *testing.B) {
	const line = "GET /index.html HTTP/1.1 200 1234 \"-\" \"curl/8.5.0\" 0.003 ms and so on and so forth\n"
	chunk := []byte(strings.Repeat(line, 16<<10/len(line)))
	lines := bytes.Count(chunk, []byte("\n"))
	b.Run("copy", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "log"))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for i := 0; b.Loop(); i++ {
			if i%512 == 0 {
				_ = f.Truncate(0)
			}
			if _, err := f.WriteAt(chunk, int64(i%512)*int64(len(chunk))); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
	})
	b.Run("records", func(b *testing.B) {
		log := &rotated{dir: newLogDir(b, 10<<20, 3), id: "a"}
		for b.Loop() {
			if err := log.write(chunk, time.Now()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
	})
}

func TestRotatedLog(t *testing.T) {
	t.Parallel()
	dir := newLogDir(t, minLogSize, 2)
	log := rotated{dir: dir, id: "a/b"}
	for _, text := range []string{"0123\n", strings.Repeat("x", 1500), "klm\n"} {
		if err := log.write([]byte(text), began); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a%2Fb.2.log", "a%2Fb.3.log"}, log.names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	_ = log.close()
	next := rotated{dir: dir, id: "a/b"}
	if err := os.WriteFile(filepath.Join(dir.path, "a.1.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := dir.list()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		next.found(name)
	}
	if err := next.write([]byte("n"), began); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a%2Fb.3.log", "a%2Fb.4.log"}, next.names); diff != "" {
		t.Errorf("files after a restart (-want +got):\n%s", diff)
	}
	_ = next.close()
	if err := dir.remove(next.names); err != nil {
		t.Fatal(err)
	}
	if left, _ := dir.list(); len(left) != 1 || left[0] != "a.1.log" {
		t.Errorf("after remove %v is left, want the other container's a.1.log", left)
	}
}

func TestNewestLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := NewestLog(dir, "a"); got != "" {
		t.Errorf("without any log NewestLog = %q, want none", got)
	}
	logs := filepath.Join(dir, logsName)
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.2", "a.9.log", "a.10.log", "a.b.11.log", "b.12.log"} {
		if err := os.WriteFile(filepath.Join(logs, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := NewestLog(dir, "a"), filepath.Join(logs, "a.10.log"); got != want {
		t.Errorf("NewestLog = %q, want %q", got, want)
	}
}
