package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Store is the images of one directory. Its methods may be called from several goroutines; the directory belongs to one
// Store at a time.
type Store struct {
	cfg  Config
	lock *os.File
	slot chan struct{} // one element for each layer that is being downloaded
	http *http.Transport

	mu      sync.Mutex
	images  map[string]*stored    // by digest
	refs    map[string]remembered // by the reference's text
	layers  map[string]int64      // bytes by diff id; those that are whole
	pins    map[string]int        // pulls that are about to use a layer, by diff id
	flights map[string]*flight    // layers that are being fetched, by diff id
	uses    map[string]string     // digest by holder
}

// stored is an image of the index. Its configuration is kept in memory: every start of a container reads it.
type stored struct {
	Manifest string    `json:"manifest,omitempty"` // digest of this platform's; "" where the source has none
	Config   string    `json:"config"`             // digest
	Layers   []string  `json:"layers"`             // diff ids, lowest first
	PulledAt time.Time `json:"pulledAt"`
	UsedAt   time.Time `json:"usedAt"`

	run RunConfig
}

// remembered is what a name meant when it was pulled last.
type remembered struct {
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
}

// index is the file that makes images exist: an image that is not in it is not there, whatever lies on the disk.
type index struct {
	Images map[string]*stored    `json:"images"`
	Refs   map[string]remembered `json:"refs"`
}

// layerMeta lies beside an unpacked layer.
type layerMeta struct {
	Size int64  `json:"size"` // bytes of its files
	Boot string `json:"boot"` // during which it was written: after another one its files may be empty, if no image was made of it
}

// The entries of a store's directory.
const (
	indexFile = "index.json"
	lockFile  = "lock"
	blobsDir  = "blobs"  // manifests and configurations by digest
	layersDir = "layers" // by diff id: fs and meta.json
	usesDir   = "uses"   // a symbolic link for each holder, to the digest: made and read in one step
	tmpDir    = "tmp"    // emptied by Open
)

// Open opens the store of a directory, which it makes if it is not there, and removes what an interrupted pull left.
func Open(cfg Config) (*Store, error) {
	s := &Store{
		cfg: withDefaults(cfg), images: map[string]*stored{}, refs: map[string]remembered{}, layers: map[string]int64{},
		pins: map[string]int{}, flights: map[string]*flight{}, uses: map[string]string{},
	}
	s.slot = make(chan struct{}, s.cfg.Concurrency)
	s.http = newTransport(s.cfg)
	if err := s.open(); err != nil {
		if s.lock != nil {
			_ = unlock(s.lock)
		}
		return nil, fmt.Errorf("image store %s: %w", cfg.Dir, err)
	}
	return s, nil
}

func withDefaults(c Config) Config {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.Concurrency = cmp.Or(c.Concurrency, 4)
	c.Idle = cmp.Or(c.Idle, time.Minute)
	c.Retry = cmp.Or(c.Retry, 500*time.Millisecond)
	c.Timeout = cmp.Or(c.Timeout, 2*time.Hour)
	c.Full = cmp.Or(c.Full, 0.85)
	c.Enough = cmp.Or(c.Enough, 0.80)
	c.Platform = cmp.Or(c.Platform, &v1.Platform{OS: "linux", Architecture: runtime.GOARCH})
	if c.Keychain == nil {
		c.Keychain = authn.DefaultKeychain
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Statfs == nil {
		c.Statfs = statfs
	}
	return c
}

func (s *Store) open() error {
	// Layers hold programs with the set-user-id bit: nobody but the owner may come near them.
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.lock, err = lockDir(filepath.Join(s.cfg.Dir, lockFile)); err != nil {
		return err
	}
	if err := os.RemoveAll(s.path(tmpDir)); err != nil {
		return err
	}
	for _, dir := range []string{blobsDir, layersDir, usesDir, tmpDir} {
		if err := os.MkdirAll(s.path(dir), 0o700); err != nil {
			return err
		}
	}
	if err := s.readIndex(); err != nil {
		return err
	}
	if err := s.readLayers(); err != nil {
		return err
	}
	if err := s.readUses(); err != nil {
		return err
	}
	s.dropBroken()
	return s.writeIndex()
}

// Close ends the store's connections and lets another process have the directory. No pull may be under way.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.writeIndex() // for the times of the last uses
	s.http.CloseIdleConnections()
	return errors.Join(err, unlock(s.lock))
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.cfg.Dir}, parts...)...)
}

// blobPath and layerPath name files by the hexadecimal digits alone: a colon would divide the layers in a mount's options.
func (s *Store) blobPath(digest string) string {
	return s.path(blobsDir, strings.TrimPrefix(digest, "sha256:"))
}

func (s *Store) layerPath(diffID string) string {
	return s.path(layersDir, strings.TrimPrefix(diffID, "sha256:"))
}

func (s *Store) readIndex() error {
	data, err := os.ReadFile(s.path(indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var i index
	if err := json.Unmarshal(data, &i); err != nil {
		// It was written with one rename, so a disk or a person broke it. All can be pulled again.
		s.cfg.Log.Error("the index of images cannot be read; all images are forgotten", "file", s.path(indexFile), "error", err)
		return nil
	}
	for digest, img := range i.Images {
		if img != nil {
			s.images[digest] = img
		}
	}
	maps.Copy(s.refs, i.Refs)
	return nil
}

func (s *Store) writeIndex() error {
	data, err := json.Marshal(index{Images: s.images, Refs: s.refs})
	if err != nil {
		return err
	}
	return s.writeFile(s.path(indexFile), data)
}

// writeFile replaces a file as a whole, on the disk before its name is.
func (s *Store) writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(s.path(tmpDir), "file-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// readLayers finds the layers that are whole. Of another boot only those count that an image was made of, for an image is
// made only after its layers are on the disk.
func (s *Store) readLayers() error {
	entries, err := os.ReadDir(s.path(layersDir))
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, img := range s.images {
		for _, id := range img.Layers {
			needed[id] = true
		}
	}
	boot := bootID()
	for _, e := range entries {
		id := "sha256:" + e.Name()
		var meta layerMeta
		data, err := os.ReadFile(filepath.Join(s.layerPath(id), "meta.json"))
		if err == nil {
			err = json.Unmarshal(data, &meta)
		}
		if err != nil || !needed[id] && (boot == "" || meta.Boot != boot) {
			if err := s.discard(s.layerPath(id)); err != nil {
				return err
			}
			continue
		}
		s.layers[id] = meta.Size
	}
	return nil
}

// readUses finds who uses what. A use counts as one until its holder ends it, however long ago it began.
func (s *Store) readUses() error {
	entries, err := os.ReadDir(s.path(usesDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		digest, err := os.Readlink(s.path(usesDir, e.Name()))
		if err != nil {
			return err
		}
		s.uses[e.Name()] = digest
		if info, err := e.Info(); err == nil && s.images[digest] != nil && info.ModTime().After(s.images[digest].UsedAt) {
			s.images[digest].UsedAt = info.ModTime()
		}
	}
	return nil
}

// dropBroken forgets images of which something is not there, and names of images that are not there.
func (s *Store) dropBroken() {
	for digest, img := range s.images {
		err := s.complete(img)
		if err != nil {
			s.cfg.Log.Warn("an image is not whole and is forgotten", "digest", digest, "error", err)
			delete(s.images, digest)
		}
	}
	maps.DeleteFunc(s.refs, func(_ string, r remembered) bool { return s.images[r.Digest] == nil })
}

func (s *Store) complete(img *stored) error {
	for _, id := range img.Layers {
		if _, ok := s.layers[id]; !ok {
			return fmt.Errorf("layer %s is missing", id)
		}
	}
	data, err := os.ReadFile(s.blobPath(img.Config))
	if err != nil {
		return err
	}
	if digestOf(data) != img.Config {
		return fmt.Errorf("configuration %s: %w", img.Config, errCorrupt)
	}
	config, err := parseConfig(data)
	if err != nil {
		return err
	}
	img.run = runConfig(config)
	return nil
}

// discard removes a directory in two steps, so that no half of it is ever taken for a whole.
func (s *Store) discard(path string) error {
	grave, err := os.MkdirTemp(s.path(tmpDir), "gone-*")
	if err != nil {
		return err
	}
	if err := os.Rename(path, filepath.Join(grave, "x")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(grave)
}

// acquire gives an image that is here, marked as used by the holder.
func (s *Store) acquire(ref, digest, holder string) (Image, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(ref, digest, holder)
}

// take is acquire for who has the lock.
func (s *Store) take(ref, digest, holder string) (Image, bool, error) {
	img, ok := s.images[digest]
	if !ok {
		return Image{}, false, nil
	}
	if err := s.use(digest, holder); err != nil {
		return Image{}, false, err
	}
	img.UsedAt = s.cfg.Now()
	got := Image{Ref: ref, Digest: digest, Config: img.run.clone()}
	for i, id := range img.Layers {
		// overlayfs refuses a directory that is given twice; all of the lower one is hidden by the same above it anyway.
		if !slices.Contains(img.Layers[i+1:], id) {
			got.Layers = append(got.Layers, filepath.Join(s.layerPath(id), "fs"))
			got.Size += s.layers[id]
		}
	}
	return got, true, nil
}

// Use marks an image as used until Unuse: it is not removed meanwhile, also by a later process. A holder, a container's id,
// uses one image at a time. An image that is not here is an error that wraps fs.ErrNotExist.
func (s *Store) Use(digest, holder string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	img, ok := s.images[digest]
	if !ok {
		return fmt.Errorf("image %s: %w", digest, fs.ErrNotExist)
	}
	if err := s.use(digest, holder); err != nil {
		return err
	}
	img.UsedAt = s.cfg.Now()
	return nil
}

func (s *Store) use(digest, holder string) error {
	if holder == "" || s.uses[holder] == digest {
		return nil
	}
	if holder != filepath.Base(holder) || strings.HasPrefix(holder, ".") {
		return fmt.Errorf("holder %q: not a plain name", holder)
	}
	if err := s.unuse(holder); err != nil {
		return err
	}
	if err := os.Symlink(digest, s.path(usesDir, holder)); err != nil {
		return err
	}
	s.uses[holder] = digest
	return nil
}

// Unuse ends what Use began. Of a holder that uses nothing it does nothing.
func (s *Store) Unuse(holder string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unuse(holder)
}

func (s *Store) unuse(holder string) error {
	digest, ok := s.uses[holder]
	if !ok {
		return nil
	}
	if err := os.Remove(s.path(usesDir, holder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(s.uses, holder)
	if img := s.images[digest]; img != nil {
		img.UsedAt = s.cfg.Now()
	}
	return nil
}

// Holders tells who uses an image, sorted, so that a driver can end the uses of what it does not know any more.
func (s *Store) Holders() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.uses))
}

// List tells all images, the one used last first.
func (s *Store) List() []Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Stored
	used := s.usedDigests()
	for digest, img := range s.images {
		one := Stored{Digest: digest, PulledAt: img.PulledAt, UsedAt: img.UsedAt, InUse: used[digest]}
		for text, r := range s.refs {
			if r.Digest == digest {
				one.Refs = append(one.Refs, text)
			}
		}
		slices.Sort(one.Refs)
		for _, id := range slices.Compact(slices.Sorted(slices.Values(img.Layers))) {
			one.Size += s.layers[id]
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Stored) int {
		return cmp.Or(b.UsedAt.Compare(a.UsedAt), strings.Compare(a.Digest, b.Digest))
	})
	return all
}

// Size is the bytes of all unpacked layers, each counted once.
func (s *Store) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum int64
	for _, size := range s.layers {
		sum += size
	}
	return sum
}

func (s *Store) usedDigests() map[string]bool {
	used := map[string]bool{}
	for _, digest := range s.uses {
		used[digest] = true
	}
	return used
}

// commit makes an image of layers that are whole, remembers its name, and marks it as used by the holder.
func (s *Store) commit(ctx context.Context, ref reference, f *found, req Request) (Image, error) {
	// The layers' files are on the disk before the index says that they are there. An image is pulled once and used often.
	if err := syncFileSystem(s.cfg.Dir); err != nil {
		return Image{}, err
	}
	blobs := map[string][]byte{digestOf(f.config): f.config}
	img := &stored{Config: digestOf(f.config), PulledAt: s.cfg.Now(), UsedAt: s.cfg.Now(), run: runConfig(f.parsed)}
	if f.manifest != nil {
		img.Manifest = digestOf(f.manifest)
		blobs[img.Manifest] = f.manifest
	}
	for _, l := range f.layers {
		img.Layers = append(img.Layers, l.diffID.String())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return Image{}, context.Cause(ctx)
	}
	for digest, data := range blobs {
		if err := s.writeFile(s.blobPath(digest), data); err != nil {
			return Image{}, err
		}
	}
	s.images[f.digest] = img
	if err := s.remember(ref, f.digest); err != nil {
		delete(s.images, f.digest)
		return Image{}, err
	}
	got, _, err := s.take(req.Ref, f.digest, req.Holder)
	got.Pulled = true
	return got, err
}

// remember notes what a name means now.
func (s *Store) remember(ref reference, digest string) error {
	if ref.digest == "" && s.images[digest] != nil {
		s.refs[ref.text] = remembered{Digest: digest, At: s.cfg.Now()}
	}
	return s.writeIndex()
}
