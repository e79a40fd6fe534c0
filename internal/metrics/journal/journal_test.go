package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/block"
)

// log is what a reader was told.
type log struct {
	names   []string
	entries []string
}

func (l *log) reader() *Reader {
	return &Reader{
		Name: func(key string) (int, error) {
			if key == "bad" {
				return 0, errors.New("no")
			}
			l.names = append(l.names, key)
			return len(l.names) - 1, nil
		},
		Entry: func(i int, span int64, entry []byte) {
			l.entries = append(l.entries, l.names[i]+string(rune('0'+span))+string(entry))
		},
	}
}

func one(v float64) []byte {
	s := block.Of(&metrics.Datum{Stats: metrics.One(v)})
	return block.Append(nil, 1, false, &s)
}

func frames() []Frame {
	var a, b, c Frame
	a.Name("x")
	a.Entry(1, 5, one(1))
	a.Name("y")
	a.Entry(2, 4, one(2))
	b.Entry(1, 6, one(3))
	c.Name("z")
	c.Entry(3, 6, one(4))
	c.Entry(1, 7, one(5))
	return []Frame{a, b, c}
}

// TestTorn cuts a segment at each byte: what is read is a beginning of what was written, in whole frames.
func TestTorn(t *testing.T) {
	t.Parallel()
	whole, ends := []byte(magic), []int{len(magic)}
	for _, f := range frames() {
		whole = appendFrame(whole, f.b)
		ends = append(ends, len(whole))
	}
	wants := []int{0, 2, 3, 5}
	for cut := range len(whole) + 1 {
		var l log
		n, err := l.reader().Read(whole[:cut])
		i, _ := slices.BinarySearch(ends, cut+1)
		want := 0
		if i > 0 {
			want = wants[i-1]
		}
		if err != nil || len(l.entries) != want || i > 0 && n != ends[i-1] {
			t.Errorf("cut at %d: %d entries, %d bytes, %v; want %d", cut, len(l.entries), n, err, want)
		}
	}
	for i := range whole { // and one wrong byte never gives more than what was before it
		wrong := slices.Clone(whole)
		wrong[i] ^= 0x20
		var l log
		j, _ := slices.BinarySearch(ends, i+1)
		if _, err := l.reader().Read(wrong); err != nil || j == 0 && len(l.entries) > 0 || j > 0 && len(l.entries) != wants[j-1] {
			t.Errorf("byte %d is wrong: %d entries, %v", i, len(l.entries), err)
		}
	}
}

func TestDir(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames() {
		if err := d.Write(3, f, i == 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Write(4, frames()[0], true); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	numbers, err := d.Segments()
	if diff := cmp.Diff([]int64{3, 4}, numbers); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	var l log
	if lost, err := d.Replay(3, l.reader()); lost != 0 || err != nil || len(l.entries) != 5 {
		t.Fatal(lost, err, len(l.entries))
	}
	if err := d.Remove(3); err != nil {
		t.Fatal(err)
	}
	if numbers, _ := d.Segments(); !slices.Equal(numbers, []int64{4}) {
		t.Fatal(numbers)
	}
}

// TestWriteFails: what could not be written is written later, whole and once; a segment that fails for long is given up.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	f := frames()
	if err := d.Write(1, f[0], true); err != nil {
		t.Fatal(err)
	}
	good := d.file
	if d.file, err = os.Open(d.name(1)); err != nil { // which cannot be written
		t.Fatal(err)
	}
	if err := d.Write(1, f[1], true); err == nil {
		t.Fatal("it could be written")
	}
	d.file.Close()
	if _, err := good.WriteAt([]byte("half of it"), d.good); err != nil {
		t.Fatal(err)
	}
	d.file = good
	if err := d.Write(1, f[2], true); err != nil {
		t.Fatal(err)
	}
	var l log
	if lost, err := d.Replay(1, l.reader()); lost != 0 || err != nil || len(l.entries) != 5 {
		t.Fatal(lost, err, len(l.entries))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	big := Frame{b: bytes.Repeat([]byte{1}, maxWaiting+1)}
	if err := d.Write(2, big, true); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, fr := range frames() {
		f.Add(fr.b)
	}
	var bad Frame
	bad.Name("bad")
	f.Add(bad.b)
	f.Fuzz(func(_ *testing.T, payload []byte) {
		var l log
		if _, err := l.reader().Read(appendFrame([]byte(magic), payload)); err != nil && !errors.Is(err, ErrDamaged) {
			panic(err)
		}
		l = log{}
		if _, err := l.reader().Read(payload); err != nil && !errors.Is(err, ErrDamaged) {
			panic(err)
		}
	})
}
