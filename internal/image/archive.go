package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// archive is a file that `docker save` wrote as the source of an image. It has no manifest with a digest of its own, so
// the image's is that of its configuration, which is the id that Docker shows.
type archive struct {
	file     string
	tag      string // a name with a tag; "" for the only image
	platform v1.Platform

	f       *os.File
	entries map[string]entry
}

// entry is where a file lies in an archive.
type entry struct {
	offset, size int64
	link         string // the name that it stands for; old versions of Docker wrote equal layers so
}

// saved is an element of an archive's manifest.json.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (a *archive) close() {
	if a.f != nil {
		_ = a.f.Close()
	}
}

func (a *archive) digest(ctx context.Context) (string, error) {
	_, config, err := a.image(ctx)
	if err != nil {
		return "", err
	}
	return digestOf(config), nil
}

func (a *archive) find(ctx context.Context, _ string) (*found, error) {
	s, config, err := a.image(ctx)
	if err != nil {
		return nil, err
	}
	f := &found{digest: digestOf(config), config: config}
	if err := f.setLayers(len(s.Layers), a.platform, func(i int, l *layerSource) error {
		e, err := a.entry(s.Layers[i])
		if err != nil {
			return err
		}
		l.size = e.size
		l.open = func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(a.f, e.offset, e.size)), nil
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return f, nil
}

// image finds the image in the archive and reads its configuration.
func (a *archive) image(ctx context.Context) (saved, []byte, error) {
	if err := a.scan(ctx); err != nil {
		return saved{}, nil, err
	}
	data, err := a.read("manifest.json", maxManifest)
	if err != nil {
		return saved{}, nil, err
	}
	var all []saved
	if err := json.Unmarshal(data, &all); err != nil {
		return saved{}, nil, fmt.Errorf("%w: its manifest.json cannot be read", errCorrupt)
	}
	s, err := a.pick(all)
	if err != nil {
		return saved{}, nil, err
	}
	config, err := a.read(s.Config, maxConfig)
	return s, config, err
}

func (a *archive) pick(all []saved) (saved, error) {
	var tags []string
	for _, s := range all {
		if a.tag != "" && (slices.Contains(s.RepoTags, a.tag) || slices.Contains(s.RepoTags, a.tag+":latest")) {
			return s, nil
		}
		tags = append(tags, s.RepoTags...)
	}
	switch {
	case a.tag == "" && len(all) == 1:
		return all[0], nil
	case a.tag == "":
		return saved{}, fmt.Errorf("%w: the archive has %d images, so a name is needed (%s)", errNotFound, len(all), few(tags))
	default:
		return saved{}, fmt.Errorf("%w: the archive has no %.100q (%s)", errNotFound, a.tag, few(tags))
	}
}

// scan notes where everything lies. The contents are skipped, not read.
func (a *archive) scan(ctx context.Context) error {
	if a.f != nil {
		return nil
	}
	f, err := openRegular(a.file)
	if err != nil {
		return err
	}
	a.f, a.entries = f, map[string]entry{}
	t := tar.NewReader(f)
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: the file is no tar archive, or only a part of one (a compressed one has to be decompressed)", errCorrupt)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			a.entries[name] = entry{offset: at, size: h.Size}
		case tar.TypeSymlink:
			a.entries[name] = entry{link: path.Join(path.Dir(name), h.Linkname)} //nolint:gosec // a name in the archive, never a file's
		case tar.TypeLink:
			a.entries[name] = entry{link: path.Clean(h.Linkname)}
		}
	}
}

// entry finds a file, through a few links.
func (a *archive) entry(name string) (entry, error) {
	next := path.Clean(name)
	for range 8 {
		e, ok := a.entries[next]
		if ok && e.link == "" {
			return e, nil
		}
		next = e.link
	}
	return entry{}, fmt.Errorf("%w: the archive has no file %.100q", errCorrupt, name)
}

func (a *archive) read(name string, most int64) ([]byte, error) {
	e, err := a.entry(name)
	if err != nil {
		return nil, err
	}
	if e.size > most {
		return nil, fmt.Errorf("%w: %.100q has more than %d bytes", errUnsupported, name, most)
	}
	data := make([]byte, e.size)
	if _, err := a.f.ReadAt(data, e.offset); err != nil {
		return nil, fmt.Errorf("%w: %.100q cannot be read: %w", errCorrupt, name, err)
	}
	return data, nil
}
