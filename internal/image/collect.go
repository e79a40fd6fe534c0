package image

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Freed is what a collection removed.
type Freed struct {
	Images []string // digests, in the order in which they went
	Layers int
	Bytes  int64
}

// Collect makes room when the file system is fuller than Config.Full: layers of no image go first, then images that
// nobody uses and keep (nil for none) does not want, the one used longest ago first, until no more than Config.Enough is
// in use. Where there is room enough it does nothing.
func (s *Store) Collect(ctx context.Context, keep func(digest string) bool) (Freed, error) {
	f, err := s.cfg.Statfs(s.cfg.Dir)
	if err != nil {
		return Freed{}, err
	}
	want := missing(f, s.cfg.Full, s.cfg.Enough)
	if want <= 0 {
		return Freed{}, nil
	}
	freed, err := s.remove(ctx, keep, want)
	if err == nil && freed.Bytes < want {
		s.cfg.Log.Warn("the file system of images is full, and what is left of them is in use", "dir", s.cfg.Dir,
			"free", f.Free+freed.Bytes, "size", f.Size)
	}
	return freed, err
}

// Prune removes all images that nobody uses and keep (nil for none) does not want, however much room there is.
func (s *Store) Prune(ctx context.Context, keep func(digest string) bool) (Freed, error) {
	return s.remove(ctx, keep, 1<<62)
}

// missing is how many bytes have to go: none up to the mark full, from there all above the mark enough.
func missing(f FileSystem, full, enough float64) int64 {
	used := f.Size - f.Free
	if f.Size <= 0 || float64(used) <= full*float64(f.Size) {
		return 0
	}
	return used - int64(enough*float64(f.Size))
}

// room refuses to fill the last hundredth of the file system (1 GiB at most): others need to write as well.
func (s *Store) room() error {
	f, err := s.cfg.Statfs(s.cfg.Dir)
	if err != nil {
		return err
	}
	if f.Free < min(f.Size/100, 1<<30) {
		return errNoRoom
	}
	return nil
}

// candidate is an image as the choice of what goes sees it.
type candidate struct {
	digest string
	layers []string
	usedAt time.Time
	kept   bool
}

// victims picks what goes: layers that no image has, and images, the one used longest ago first, until enough bytes are
// freed. A layer goes with the last image that has it. Layers that are pinned stay.
func victims(images []candidate, sizes map[string]int64, pinned func(string) bool, want int64) (gone, layers []string, freed int64) {
	holders := map[string]int{}
	for _, c := range images {
		for _, id := range distinct(c.layers) {
			holders[id]++
		}
	}
	free := func(id string) {
		if size, ok := sizes[id]; ok && holders[id] == 0 && !pinned(id) {
			layers = append(layers, id)
			freed += size
		}
	}
	for _, id := range slices.Sorted(maps.Keys(sizes)) {
		free(id)
	}
	images = slices.DeleteFunc(slices.Clone(images), func(c candidate) bool { return c.kept })
	slices.SortFunc(images, func(a, b candidate) int {
		return cmp.Or(a.usedAt.Compare(b.usedAt), strings.Compare(a.digest, b.digest))
	})
	for _, c := range images {
		if freed >= want {
			break
		}
		gone = append(gone, c.digest)
		for _, id := range distinct(c.layers) {
			holders[id]--
			free(id)
		}
	}
	return gone, layers, freed
}

func distinct(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

// remove takes out of the index what goes, then off the disk. Killed in between, the next Open does the rest.
func (s *Store) remove(ctx context.Context, keep func(string) bool, want int64) (Freed, error) {
	freed, graves, err := s.bury(keep, want)
	for _, grave := range graves {
		if ctx.Err() != nil {
			break // they have no names any more, and the next Open empties the directory
		}
		err = errors.Join(err, os.RemoveAll(grave))
	}
	for _, digest := range freed.Images {
		s.cfg.Log.Info("an image was removed, nobody used it", "digest", digest)
	}
	return freed, cmp.Or(err, ctx.Err())
}

// bury takes images out of the index and moves their layers to where nobody looks for them, all under the lock, so that
// no pull and no container sees a part of it.
func (s *Store) bury(keep func(string) bool, want int64) (Freed, []string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.usedDigests()
	var images []candidate
	for digest, img := range s.images {
		kept := used[digest] || keep != nil && keep(digest)
		images = append(images, candidate{digest: digest, layers: img.Layers, usedAt: img.UsedAt, kept: kept})
	}
	gone, layers, bytes := victims(images, s.layers, func(id string) bool { return s.pins[id] > 0 }, want)
	if len(gone)+len(layers) == 0 {
		return Freed{}, nil, nil
	}
	blobs := map[string]bool{}
	for _, digest := range gone {
		blobs[s.images[digest].Config], blobs[s.images[digest].Manifest] = true, true
		delete(s.images, digest)
	}
	maps.DeleteFunc(s.refs, func(_ string, r remembered) bool { return s.images[r.Digest] == nil })
	if err := s.writeIndex(); err != nil {
		return Freed{}, nil, err
	}
	for _, img := range s.images {
		delete(blobs, img.Config)
		delete(blobs, img.Manifest)
	}
	delete(blobs, "")
	for digest := range blobs {
		if err := os.Remove(s.blobPath(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Freed{Images: gone}, nil, err
		}
	}
	freed := Freed{Images: gone, Bytes: bytes}
	grave, err := os.MkdirTemp(s.path(tmpDir), "gone-*")
	if err != nil {
		return freed, nil, err
	}
	for _, id := range layers {
		if err := os.Rename(s.layerPath(id), filepath.Join(grave, filepath.Base(s.layerPath(id)))); err != nil {
			return freed, []string{grave}, err
		}
		delete(s.layers, id)
		freed.Layers++
	}
	return freed, []string{grave}, nil
}
