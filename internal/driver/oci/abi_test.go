//go:build linux

package oci

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRuns32 looks for 32-bit programs: a loader of them anywhere in the layers, or the container's program.
func TestRuns32(t *testing.T) {
	t.Parallel()
	write := func(dir, name string, text []byte) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	header := func(class byte) []byte {
		text := make([]byte, 64)
		copy(text, "\x7fELF")
		text[4], text[5], text[6], text[16], text[18], text[20] = class, 1, 1, 2, 3, 1
		text[40], text[52] = 52, 64 // the header's size, of 32 bits at 40, of 64 at 52
		return text
	}
	plain, old, loader := t.TempDir(), t.TempDir(), t.TempDir()
	write(plain, "bin/app", header(2))
	write(old, "bin/app", header(1))
	write(loader, "usr/lib/ld-linux.so.2", nil)
	if err := os.Symlink("usr/lib", filepath.Join(loader, "lib")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		layers  []string
		program string
		want    bool
	}{
		{"a 64-bit program", []string{plain}, "/bin/app", false},
		{"a 32-bit program", []string{plain, old}, "/bin/app", true},
		{"a 32-bit program below a 64-bit one", []string{old, plain}, "/bin/app", false},
		{"a loader below", []string{loader, plain}, "/bin/app", true},
		{"no such program", []string{plain}, "/bin/other", false},
		{"a program to be looked for", []string{old}, "app", false},
	} {
		if got := runs32(c.layers, c.program); got != c.want {
			t.Errorf("%s: runs32 = %v, want %v", c.name, got, c.want)
		}
	}
	p := newProfiles()
	for all, want := range map[bool]bool{true: true, false: false} {
		s, err := p.of(nil, all)
		if err != nil || len(s.Architectures) > 1 != want {
			t.Errorf("the profile for all=%v has the architectures %v (%v)", all, s.Architectures, err)
		}
	}
}
