package image_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/image"
)

func TestUses(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, digest := reg.push(t, "web:1", imageOf(t, map[string]string{"a": "1"}))
	dir := t.TempDir()
	s := open(t, dir)
	pull(t, s, image.Request{Ref: ref, Holder: "one"})
	if err := s.Use(digest, "two"); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(digest, "two"); err != nil {
		t.Errorf("a use that is there: got the error %v", err)
	}
	for _, holder := range []string{"../x", "a/b", ".", "..", ".hidden"} {
		if err := s.Use(digest, holder); err == nil {
			t.Errorf("the holder %q: got no error", holder)
		}
	}
	if err := s.Use("sha256:none", "three"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an image that is not here: got the error %v, want one that it does not exist", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if diff := cmp.Diff([]string{"one", "two"}, s.Holders()); diff != "" {
		t.Errorf("holders after a restart (-want +got):\n%s", diff)
	}
	for _, left := range []int{1, 1, 0} {
		if freed, err := s.Prune(t.Context(), nil); err != nil || len(freed.Images) != 0 {
			t.Errorf("with holders: got %+v removed and the error %v, want nothing", freed, err)
		}
		if err := s.Unuse(map[int]string{1: "one", 0: "two"}[left]); err != nil {
			t.Error(err)
		}
		if len(s.Holders()) != left {
			t.Errorf("got the holders %v, want %d", s.Holders(), left)
		}
	}
	freed, err := s.Prune(t.Context(), nil)
	want := image.Freed{Images: []string{digest}, Layers: 1, Bytes: 1}
	if diff := cmp.Diff(want, freed); diff != "" || err != nil {
		t.Errorf("without holders, error %v (-want +got):\n%s", err, diff)
	}
	for _, sub := range []string{"blobs", "layers", "tmp", "uses"} {
		if entries, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(entries) != 0 {
			t.Errorf("%s: got %v, %v, want nothing", sub, entries, err)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	common := map[string]string{"base": "1234"}
	img := imageOf(t, common, map[string]string{"a": "1"})
	one, oneDigest := reg.push(t, "one:1", img)
	alias, _ := reg.push(t, "alias:1", img)
	two, twoDigest := reg.push(t, "two:1", imageOf(t, common))
	now := time.Unix(1000, 0)
	s := open(t, t.TempDir(), func(c *image.Config) { c.Now = func() time.Time { now = now.Add(time.Second); return now } })
	for _, ref := range []string{one, alias} {
		pull(t, s, image.Request{Ref: ref})
	}
	pull(t, s, image.Request{Ref: two, Holder: "c"})
	var got []image.Stored
	for _, one := range s.List() {
		if one.PulledAt.IsZero() || one.UsedAt.Before(one.PulledAt) {
			t.Errorf("%s: got pulled at %v, used at %v", one.Digest, one.PulledAt, one.UsedAt)
		}
		one.PulledAt, one.UsedAt = time.Time{}, time.Time{}
		got = append(got, one)
	}
	want := []image.Stored{
		{Digest: twoDigest, Refs: []string{two}, Size: 4, InUse: true},
		{Digest: oneDigest, Refs: []string{alias, one}, Size: 5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
	if s.Size() != 5 {
		t.Errorf("the store: got %d bytes, want 5: the common layer counts once", s.Size())
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := image.Open(configOf(dir)); err == nil {
		t.Error("a directory that another store has: got no error")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

// TestOpenAfterACrash leaves what a process leaves that is killed at each point of a pull and of a removal, and opens the
// store again.
func TestOpenAfterACrash(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	img := imageOf(t, map[string]string{"a": "1"}, map[string]string{"b": "2"})
	ref, digest := reg.push(t, "web:1", img)
	layerDir := func(dir string, i int) string {
		ids, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "layers", ids.RootFS.DiffIDs[i].Hex)
	}
	forget := func(t *testing.T, dir string) { // as if the index had not been written yet
		t.Helper()
		write(t, filepath.Join(dir, "index.json"), `{}`)
	}
	otherBoot := func(t *testing.T, dir string) {
		t.Helper()
		for i := range 2 {
			write(t, filepath.Join(layerDir(dir, i), "meta.json"), `{"size":1,"boot":"another"}`)
		}
	}
	for _, c := range []struct {
		name   string
		leave  func(t *testing.T, dir string)
		images int
		layers int // downloaded by the next pull
	}{
		{"nothing happened", func(*testing.T, string) {}, 1, 0},
		{"a layer half unpacked", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "tmp", "layer-1", "layer", "fs", "x"), "half")
		}, 1, 0},
		{"layers whole, no image yet", forget, 0, 0},
		{"layers whole, no image yet, and the power failed", func(t *testing.T, dir string) { forget(t, dir); otherBoot(t, dir) }, 0, 2},
		{"an image, and the power failed", otherBoot, 1, 0},
		{"one layer gone", func(t *testing.T, dir string) { removeAll(t, layerDir(dir, 1)) }, 0, 1},
		{"one layer without its size", func(t *testing.T, dir string) { removeAll(t, filepath.Join(layerDir(dir, 1), "meta.json")) }, 0, 1},
		{"blobs gone", func(t *testing.T, dir string) { removeAll(t, filepath.Join(dir, "blobs")) }, 0, 0},
		{"an index that is none", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "index.json"), "\x00\x00") }, 0, 0},
		{"no index", func(t *testing.T, dir string) { removeAll(t, filepath.Join(dir, "index.json")) }, 0, 0},
		{"a null in the index", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "index.json"), `{"images":{"sha256:1":null},"refs":{"x":{"digest":"sha256:1"}}}`)
		}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			pull(t, s, image.Request{Ref: ref})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			c.leave(t, dir)
			s = open(t, dir)
			if left := leftovers(t, dir); len(left) != 0 {
				t.Errorf("got %v left over, want nothing", left)
			}
			if got := len(s.List()); got != c.images {
				t.Errorf("got %d images, want %d", got, c.images)
			}
			reg.reset()
			again := pull(t, s, image.Request{Ref: ref})
			if again.Digest != digest || len(contents(t, again)) != 2 {
				t.Errorf("got %+v with %v, want all of %s", again, contents(t, again), digest)
			}
			downloaded := 0
			for i := range 2 {
				downloaded += reg.count(layerBlob(t, img, i))
			}
			if downloaded != c.layers {
				t.Errorf("got %d layers downloaded, want %d", downloaded, c.layers)
			}
		})
	}
}

// TestOpenKeepsTheDate wants a store that was used and not closed to know what was used last.
func TestOpenKeepsTheDate(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, digest := reg.push(t, "web:1", imageOf(t, map[string]string{"a": "1"}))
	dir := t.TempDir()
	s := open(t, dir, func(c *image.Config) { c.Now = func() time.Time { return time.Unix(1000, 0) } })
	pull(t, s, image.Request{Ref: ref})
	before, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Use(digest, "c"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "index.json"), string(before)) // as if it had been killed before Close
	used := open(t, dir).List()[0].UsedAt
	if !used.After(time.Unix(1000, 0)) {
		t.Errorf("got %v as the last use, want that of the holder's mark", used)
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// TestIndexIsStable guards the form on the disk: a newer maitred has to read what an older one wrote.
func TestIndexIsStable(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, digest := reg.push(t, "web:1", imageOf(t, map[string]string{"a": "1"}))
	dir := t.TempDir()
	pull(t, open(t, dir, func(c *image.Config) { c.Now = func() time.Time { return time.Unix(0, 0).UTC() } }), image.Request{Ref: ref})
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Images map[string]map[string]any
		Refs   map[string]map[string]any
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"digest": digest, "at": "1970-01-01T00:00:00Z"}, got.Refs[ref]); diff != "" {
		t.Errorf("the name (-want +got):\n%s", diff)
	}
	for _, member := range []string{"manifest", "config", "layers", "pulledAt", "usedAt"} {
		if got.Images[digest][member] == nil {
			t.Errorf("the image has no %s in %s", member, data)
		}
	}
}
