package image_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/image"
)

// disk is a file system of 1000 bytes, of which others use some and a store the rest.
type disk struct {
	mu     sync.Mutex
	others int64
	store  *image.Store
}

func (d *disk) stat(string) (image.FileSystem, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	free := 1000 - d.others
	if d.store != nil {
		free -= d.store.Size()
	}
	return image.FileSystem{Size: 1000, Free: free}, nil
}

func (d *disk) fill(others int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.others = others
}

func text(n int) string { return strings.Repeat("0", n) }

// TestCollect fills the file system step by step.
func TestCollect(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	now := time.Unix(1000, 0)
	d := &disk{}
	s := open(t, t.TempDir(), func(c *image.Config) {
		c.Statfs = d.stat
		c.Now = func() time.Time { now = now.Add(time.Second); return now }
	})
	d.store = s
	base := map[string]string{"base": text(100)}
	var digests []string
	for i := range 4 { // each 100 of its own, and the 100 of the base
		ref, digest := reg.push(t, fmt.Sprintf("web:%d", i), imageOf(t, base, map[string]string{fmt.Sprint(i): text(100)}))
		r := image.Request{Ref: ref}
		if i == 0 {
			r.Holder = "running"
		}
		pull(t, s, r)
		digests = append(digests, digest)
	}
	keep := func(digest string) bool { return digest == digests[1] }
	for _, c := range []struct {
		others int64 // besides the store's own
		want   image.Freed
		left   int64
	}{
		{0, image.Freed{}, 500},
		{350, image.Freed{}, 500}, // 850: not yet
		{351, image.Freed{Images: []string{digests[2]}, Layers: 1, Bytes: 100}, 400},
		{449, image.Freed{}, 400},
		{900, image.Freed{Images: []string{digests[3]}, Layers: 1, Bytes: 100}, 300}, // the rest is in use or kept
		{900, image.Freed{}, 300},
	} {
		d.fill(c.others)
		freed, err := s.Collect(t.Context(), keep)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, freed); diff != "" || s.Size() != c.left {
			t.Errorf("with %d bytes of others: %d left, want %d (-want +got):\n%s", c.others, s.Size(), c.left, diff)
		}
	}
	freed, err := s.Collect(t.Context(), nil)
	if diff := cmp.Diff([]string{digests[1]}, freed.Images); diff != "" || err != nil {
		t.Errorf("when it is kept no longer, error %v (-want +got):\n%s", err, diff)
	}
	if _, err := s.Pull(t.Context(), image.Request{Ref: reg.host + "/web:0", Policy: image.Never}); err != nil {
		t.Errorf("what runs: got the error %v", err)
	}
	_, err = s.Pull(t.Context(), image.Request{Ref: reg.host + "/web:1", Policy: image.Never})
	wantError(t, err, image.Absent, "")
}

// TestPullMakesRoom pulls an image for which an old one has to go.
func TestPullMakesRoom(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	d := &disk{}
	s := open(t, t.TempDir(), func(c *image.Config) { c.Statfs = d.stat })
	d.store = s
	old, oldDigest := reg.push(t, "old:1", imageOf(t, map[string]string{"old": text(200)}))
	ref, digest := reg.push(t, "new:1", imageOf(t, map[string]string{"new": text(200)}))
	pull(t, s, image.Request{Ref: old})
	d.fill(700)
	pull(t, s, image.Request{Ref: ref})
	if all := s.List(); len(all) != 1 || all[0].Digest != digest {
		t.Errorf("got %+v, want the new image without %s", all, oldDigest)
	}
}

func TestCollectWithoutStatfs(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := open(t, t.TempDir(), func(c *image.Config) {
		c.Statfs = func(string) (image.FileSystem, error) { return image.FileSystem{}, broken }
	})
	if _, err := s.Collect(t.Context(), nil); !errors.Is(err, broken) {
		t.Errorf("got the error %v, want %v", err, broken)
	}
}

// TestCollectAgainstPulls removes everything that nobody uses, all the time, while images are pulled: an image that was
// pulled for a holder stays whole until the holder ends.
func TestCollectAgainstPulls(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	base := map[string]string{"base": "b"}
	var refs []string
	for i := range 3 {
		ref, _ := reg.push(t, fmt.Sprintf("web:%d", i), imageOf(t, base, map[string]string{fmt.Sprint(i): "x"}))
		refs = append(refs, ref)
	}
	dir := t.TempDir()
	s := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var collector, pullers sync.WaitGroup
	collector.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.Prune(t.Context(), nil); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 4 {
		pullers.Go(func() {
			for round := range 10 {
				holder := fmt.Sprintf("c%d-%d", i, round)
				img, err := s.Pull(t.Context(), image.Request{Ref: refs[(i+round)%len(refs)], Holder: holder})
				if err != nil {
					t.Error(err)
					return
				}
				for _, layer := range img.Layers {
					if entries, err := os.ReadDir(layer); err != nil || len(entries) != 1 {
						t.Errorf("a layer in use: got %v, %v, want one file", entries, err)
					}
				}
				if err := s.Unuse(holder); err != nil {
					t.Error(err)
				}
			}
		})
	}
	pullers.Wait()
	stop()
	collector.Wait()
	if _, err := s.Prune(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s.Size() != 0 || len(s.List()) != 0 || len(leftovers(t, dir)) != 0 {
		t.Errorf("at the end: got %d bytes, %v, %v, want nothing", s.Size(), s.List(), leftovers(t, dir))
	}
}
