package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layout is a directory of the OCI image layout as the source of an image.
type layout struct {
	dir      string
	tag      string // its annotation org.opencontainers.image.ref.name; "" for the only image
	platform v1.Platform
}

const refName = "org.opencontainers.image.ref.name"

func (l *layout) close() {}

func (l *layout) digest(context.Context) (string, error) {
	d, err := l.descriptor()
	return d.Digest.String(), err
}

// descriptor finds the image in the layout's index.
func (l *layout) descriptor() (v1.Descriptor, error) {
	data, err := readBounded(filepath.Join(l.dir, "index.json"), maxManifest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	list, err := v1.ParseIndexManifest(bytes.NewReader(data))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("%w: the layout's index.json cannot be read", errCorrupt)
	}
	var tags []string
	for _, d := range list.Manifests {
		if l.tag != "" && d.Annotations[refName] == l.tag {
			return d, nil
		}
		tags = append(tags, d.Annotations[refName])
	}
	switch {
	case l.tag == "" && len(list.Manifests) == 1:
		return list.Manifests[0], nil
	case l.tag == "":
		return v1.Descriptor{}, fmt.Errorf("%w: the layout has %d images, so a tag is needed (%s)", errNotFound, len(tags), few(tags))
	default:
		return v1.Descriptor{}, fmt.Errorf("%w: the layout has no tag %.100q (%s)", errNotFound, l.tag, few(tags))
	}
}

// few lists names for an error.
func few(names []string) string {
	names = slices.DeleteFunc(names, func(s string) bool { return s == "" })
	switch {
	case len(names) == 0:
		return "it has none"
	case len(names) > 6:
		names = append(names[:6:6], "…")
	}
	return "it has " + strings.Join(names, ", ")
}

func (l *layout) find(ctx context.Context, digest string) (*found, error) {
	d, err := l.descriptor()
	if digest != "" {
		// The blob may be there although no tag stands for it any more.
		var h v1.Hash
		if h, err = v1.NewHash(digest); err == nil {
			d = v1.Descriptor{Digest: h, MediaType: d.MediaType}
		}
	}
	if err != nil {
		return nil, err
	}
	data, mediaType, err := l.manifest(ctx, d.Digest.String())
	if err != nil {
		return nil, err
	}
	return resolve(ctx, l, d.Digest.String(), data, mediaType, l.platform)
}

func (l *layout) manifest(_ context.Context, digest string) ([]byte, types.MediaType, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errCorrupt, err)
	}
	data, err := readBounded(l.blobPath(h), maxManifest)
	if err != nil {
		return nil, "", err
	}
	if digestOf(data) != digest {
		return nil, "", fmt.Errorf("%w: what lies there as %s is %s", errCorrupt, digest, digestOf(data))
	}
	return data, "", nil
}

// blobPath is of a Hash, so of a known algorithm and hexadecimal digits: it leads nowhere else.
func (l *layout) blobPath(h v1.Hash) string {
	return filepath.Join(l.dir, "blobs", h.Algorithm, h.Hex)
}

func (l *layout) blob(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	f, err := openRegular(l.blobPath(d.Digest))
	if err != nil {
		return nil, err
	}
	return verified(f, d.Digest, d.Size)
}

// openRegular opens a file that somebody named. To open a pipe would wait for a writer for good, and to open a device may
// do something to it.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no file", errUnsupported, path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be another thing by now, and is looked at again
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no file", errUnsupported, path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", errUnsupported, path, most)
	}
	return data, nil
}
