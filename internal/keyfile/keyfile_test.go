package keyfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/keyfile"
)

func TestReadOrMake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if _, err := keyfile.Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read without a file = %v, want fs.ErrNotExist", err)
	}
	var all sync.WaitGroup
	found := make([][][]byte, 8)
	for i := range found {
		all.Go(func() {
			var err error
			if found[i], err = keyfile.ReadOrMake(path); err != nil {
				t.Errorf("ReadOrMake = %v", err)
			}
		})
	}
	all.Wait()
	for _, keys := range found {
		if len(keys) != 1 || len(keys[0]) != keyfile.Bytes || !bytes.Equal(keys[0], found[0][0]) {
			t.Fatalf("made at once: %x and %x, want the same key", keys, found[0])
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v, want it to be its owner's alone", info, err)
	}
	want := [][]byte{keyfile.New(), found[0][0]}
	if err := keyfile.Write(path, want); err != nil {
		t.Fatalf("Write = %v", err)
	}
	got, err := keyfile.ReadOrMake(path)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("what was written is read as (-want +got), %v:\n%s", err, diff)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the files are %v, %v, want the keys' alone", files, err)
	}
	if err := keyfile.Write(filepath.Join(dir, "absent", "key"), want); err == nil {
		t.Error("Write into no directory = nil, want an error")
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("0f", keyfile.Bytes)
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string // in the error; "" for none
	}{
		"two keys":   {hex + "\n\n" + strings.Repeat("1e", keyfile.Bytes) + "\n", 0o600, ""},
		"no newline": {hex, 0o400, ""},
		"readable":   {hex, 0o644, "0600"},
		"group":      {hex, 0o640, "0600"},
		"empty":      {"", 0o600, "no key"},
		"short":      {hex[:62], 0o600, "64 hex digits"},
		"long":       {hex + "0f", 0o600, "64 hex digits"},
		"no hex":     {strings.Repeat("zz", keyfile.Bytes), 0o600, "64 hex digits"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := keyfile.ReadOrMake(path)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: ReadOrMake = %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), hex[:62]) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: the error is %v, want the file's name and no key in it", name, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != c.text {
			t.Errorf("%s: the file is %q now, %v, want it as it was", name, text, err)
		}
	}
}
