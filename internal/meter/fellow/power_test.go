package fellow

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestPowerLoss: what a machine without power forgets was read by others already. Numbers are not given again: what is put
// afterwards is news to them, and what they read before is not.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// lose opens what is on the disk, as the log of what was committed since the last checkpoint is not.
	lose := func(b *Box, name string) *Box {
		t.Helper()
		kept, err := os.ReadFile(b.config.File)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		return open(t, file)
	}
	read := uint64(0) // as far as the other server has read
	others := func(b *Box) string {
		t.Helper()
		found, err := b.after(t.Context(), read)
		if err != nil {
			t.Fatal(err)
		}
		var sums []float64
		for _, x := range found {
			_, data, err := parse(fmt.Appendf(nil, "%d %s", x.seq, x.data))
			if err != nil {
				t.Fatal(err)
			}
			sums, read = append(sums, data[0].Sum), x.seq
		}
		return fmt.Sprint(sums)
	}
	is := func(b *Box, want string) {
		t.Helper()
		if got := others(b); got != want {
			t.Errorf("others read %s, want %s", got, want)
		}
	}
	b := open(t, filepath.Join(dir, "a"))
	run := b.run
	b.Put(datum(1)) // of which the disk never hears
	is(b, "[1]")
	b = lose(b, "b")
	b.Put(datum(2))
	is(b, "[2]")
	if err := b.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Put(datum(3))
	b.Put(datum(4))
	is(b, "[3 4]")
	b = lose(b, "c")
	is(b, "[]")
	b.Put(datum(5))
	is(b, "[5]")
	b = lose(b, "d") // and again, with nothing written since it was opened
	b.Put(datum(6))
	is(b, "[6]")
	file := b.config.File
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, file) // in order
	is(b, "[]")
	b.Put(datum(7))
	is(b, "[7]")
	if b.run != run {
		t.Error("the box has another name, and others would read all once more")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
