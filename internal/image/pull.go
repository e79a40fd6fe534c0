package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/maitred/maitred/internal/image/layer"
)

// Pull gives an image whose layers are on the disk, and gets it first if it has to. Layers that are here already are not
// downloaded, and one that several pulls want is downloaded once. An error is an *Error and leaves nothing behind.
func (s *Store) Pull(ctx context.Context, req Request) (Image, error) {
	ref, err := parse(req.Ref)
	if err != nil {
		return Image{}, &Error{Ref: shown(req.Ref), Reason: BadName, text: err.Error(), err: err}
	}
	pinned := req.Digest
	if ref.digest != "" {
		pinned = ref.digest
	}
	if _, err := v1.NewHash(pinned); pinned != "" && (err != nil || req.Digest != "" && req.Digest != pinned) {
		text := fmt.Sprintf("%.100q is not the digest of the image", req.Digest)
		return Image{}, &Error{Ref: shown(req.Ref), Reason: BadName, text: text, err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, errTimeout)
	defer cancel()
	img, err := s.pull(ctx, ref, pinned, req)
	if err != nil {
		e := s.explain(ref, req.Login != nil, err)
		e.Ref = shown(req.Ref)
		return Image{}, e
	}
	return img, nil
}

// pull decides between the copy that is here and the source.
func (s *Store) pull(ctx context.Context, ref reference, pinned string, req Request) (Image, error) {
	digest := pinned
	if digest == "" {
		digest = s.meant(ref)
	}
	if pinned != "" || req.Policy == Missing || req.Policy == Never {
		img, ok, err := s.acquire(req.Ref, digest, req.Holder)
		if ok || err != nil {
			return img, err
		}
	}
	if req.Policy == Never {
		return Image{}, errAbsent
	}
	img, err := s.refresh(ctx, ref, pinned, digest, req)
	if err == nil || req.Policy != Default || s.explain(ref, req.Login != nil, err).Reason != Unreachable {
		return img, err
	}
	here, ok, e := s.acquire(req.Ref, digest, req.Holder)
	if !ok || e != nil {
		return Image{}, errors.Join(err, e)
	}
	s.cfg.Log.Warn("an image cannot be pulled, the copy that is here is used", "image", req.Ref, "digest", digest,
		"error", s.explain(ref, req.Login != nil, err))
	return here, nil
}

// meant tells what a name meant when it was pulled last.
func (s *Store) meant(ref reference) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refs[ref.text].Digest
}

// refresh asks the source what the name means, and gets that if it is not here.
func (s *Store) refresh(ctx context.Context, ref reference, pinned, here string, req Request) (Image, error) {
	src, err := s.source(ref, req.Login)
	if err != nil {
		return Image{}, err
	}
	defer src.close()
	if pinned == "" && here != "" {
		now, err := src.digest(ctx)
		if err != nil {
			return Image{}, err
		}
		if img, ok, err := s.known(ref, now, req); ok || err != nil {
			return img, err
		}
	}
	f, err := src.find(ctx, pinned)
	if err != nil {
		return Image{}, err
	}
	if pinned != "" && f.digest != pinned {
		return Image{}, fmt.Errorf("%w: it is %s now, and %s is asked for", errNotFound, f.digest, pinned)
	}
	if img, ok, err := s.known(ref, f.digest, req); ok || err != nil {
		return img, err
	}
	return s.download(ctx, ref, f, req)
}

// known gives an image that is here, and remembers that the name means it.
func (s *Store) known(ref reference, digest string, req Request) (Image, bool, error) {
	img, ok, err := s.acquire(req.Ref, digest, req.Holder)
	if !ok || err != nil {
		return img, ok, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs[ref.text].Digest == digest {
		return img, true, nil
	}
	return img, true, s.remember(ref, digest)
}

// source gives the place that a reference names.
func (s *Store) source(ref reference, login *Login) (source, error) {
	switch ref.kind {
	case kindLayout:
		return &layout{dir: ref.path, tag: ref.tag, platform: *s.cfg.Platform}, nil
	case kindDockerArchive:
		return &archive{file: ref.path, tag: ref.tag, platform: *s.cfg.Platform}, nil
	case kindDockerDaemon:
		return &daemon{
			endpoint: s.cfg.Docker, name: ref.daemon, idle: s.cfg.Idle, temp: s.path(tmpDir), room: s.room,
			archive: archive{platform: *s.cfg.Platform},
		}, nil
	default:
		return s.registry(ref, login)
	}
}

// download gets the layers that are not here and makes the image of them.
func (s *Store) download(ctx context.Context, ref reference, f *found, req Request) (Image, error) {
	if _, err := s.Collect(ctx, nil); err != nil {
		s.cfg.Log.Warn("no room could be made for an image", "image", req.Ref, "error", err)
	}
	s.pin(f.layers, 1)
	defer s.pin(f.layers, -1)
	if err := s.fetch(ctx, f.layers, req.Progress); err != nil {
		return Image{}, err
	}
	return s.commit(ctx, ref, f, req)
}

// pin keeps layers from being removed while they belong to no image yet.
func (s *Store) pin(layers []layerSource, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range layers {
		id := l.diffID.String()
		if s.pins[id] += by; s.pins[id] == 0 {
			delete(s.pins, id)
		}
	}
}

// fetch gets all layers at the same time, as far as there are slots. The first error ends the others.
func (s *Store) fetch(ctx context.Context, layers []layerSource, progress func(Progress)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var telling sync.Mutex
	var all sync.WaitGroup
	for i, l := range layers {
		tell := func(done int64) {
			if progress == nil {
				return
			}
			telling.Lock()
			defer telling.Unlock()
			progress(Progress{Layer: i, Layers: len(layers), Done: done, Total: l.size})
		}
		all.Go(func() {
			if err := s.layer(ctx, l, tell); err != nil {
				cancel(err)
				return
			}
			tell(l.size)
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// flight is a layer on its way.
type flight struct{ landed chan struct{} }

// layer gets one layer, unless it is here. One that somebody else is getting is waited for; if that fails, for whatever
// reasons of theirs, it is tried anew.
func (s *Store) layer(ctx context.Context, l layerSource, tell func(int64)) error {
	id := l.diffID.String()
	for {
		s.mu.Lock()
		if _, ok := s.layers[id]; ok {
			s.mu.Unlock()
			return nil
		}
		other := s.flights[id]
		if other == nil {
			s.flights[id] = &flight{landed: make(chan struct{})}
			s.mu.Unlock()
			return s.fly(ctx, id, l, tell)
		}
		s.mu.Unlock()
		select {
		case <-other.landed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Store) fly(ctx context.Context, id string, l layerSource, tell func(int64)) error {
	size, err := s.unpack(ctx, l, tell)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.flights[id].landed)
	delete(s.flights, id)
	if err == nil {
		s.layers[id] = size
	}
	return err
}

// unpack downloads a layer into a temporary directory and gives it its name once all of it is verified.
func (s *Store) unpack(ctx context.Context, l layerSource, tell func(int64)) (size int64, err error) {
	select {
	case s.slot <- struct{}{}:
		defer func() { <-s.slot }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	dir, err := os.MkdirTemp(s.path(tmpDir), "layer-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	whole := filepath.Join(dir, "layer")
	if err := os.MkdirAll(filepath.Join(whole, "fs"), 0o700); err != nil {
		return 0, err
	}
	// It becomes the root directory of containers, whose users are not ours; this process's umask has no say in that.
	if err := os.Chmod(filepath.Join(whole, "fs"), 0o755); err != nil { //nolint:gosec // as above
		return 0, err
	}
	if size, err = s.stream(ctx, l, filepath.Join(whole, "fs"), tell); err != nil {
		return 0, err
	}
	meta, err := json.Marshal(layerMeta{Size: size, Boot: bootID()})
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(whole, "meta.json"), meta, 0o600); err != nil {
		return 0, err
	}
	return size, os.Rename(whole, s.layerPath(l.diffID.String()))
}

// stream decompresses and hashes a layer in one goroutine and unpacks it in another.
func (s *Store) stream(ctx context.Context, l layerSource, dir string, tell func(int64)) (int64, error) {
	body, err := l.open(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = body.Close() }()
	compressed := &counted{ctx: ctx, r: body, tell: tell}
	plain, err := layer.Decompress(compressed)
	if err != nil {
		return 0, err
	}
	defer func() { _ = plain.Close() }()
	sum := sha256.New()
	ahead := layer.Ahead(io.TeeReader(plain, sum))
	size, err := layer.Unpack(ctx, ahead, dir, layer.Options{Room: s.room})
	if err == nil {
		_, err = io.Copy(io.Discard, ahead) // what follows the archive's end is part of the digest
	}
	_ = ahead.Close()
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, compressed); err != nil { // and what follows the compressed stream
		return 0, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.diffID.Hex {
		return 0, fmt.Errorf("%w: layer %s unpacks to sha256:%s", errCorrupt, l.diffID, got)
	}
	return size, nil
}
