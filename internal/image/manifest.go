package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// source is a place that one image comes from.
type source interface {
	// digest tells what the name stands for now, cheaply; "" if that takes as much as find.
	digest(ctx context.Context) (string, error)
	// find gets everything but the layers, of a digest or, if it is "", of what the name stands for now.
	find(ctx context.Context, digest string) (*found, error)
	close()
}

// found is an image at its source, with all verified that it holds.
type found struct {
	digest   string
	manifest []byte // of this platform; nil where the source has none
	config   []byte
	parsed   *v1.ConfigFile
	layers   []layerSource // lowest first
}

// layerSource is a layer at its source.
type layerSource struct {
	diffID v1.Hash
	size   int64 // as it is downloaded; 0 if unknown
	// open reads it, compressed or not. What it reads is what the digest says, or the read fails.
	open func(ctx context.Context) (io.ReadCloser, error)
}

// blobs is what a registry and a layout have in common.
type blobs interface {
	// manifest reads a manifest or an index, and verifies it.
	manifest(ctx context.Context, digest string) (data []byte, mediaType types.MediaType, err error)
	// blob reads a blob, and verifies it.
	blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
}

// Sizes that no honest manifest and no honest configuration has, in bytes.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
	maxLayers   = 500 // as many as overlayfs mounts
)

// resolve goes from a manifest or an index to the layers of the platform.
func resolve(ctx context.Context, from blobs, digest string, data []byte, mediaType types.MediaType, want v1.Platform) (*found, error) {
	f := &found{digest: digest, manifest: data}
	for depth := 0; isIndex(data, mediaType); depth++ {
		list, err := v1.ParseIndexManifest(bytes.NewReader(data))
		if err != nil || depth > 1 {
			return nil, fmt.Errorf("%w: its index cannot be read", errCorrupt)
		}
		child, err := pickPlatform(list.Manifests, want)
		if err != nil {
			return nil, err
		}
		if data, mediaType, err = from.manifest(ctx, child.Digest.String()); err != nil {
			return nil, err
		}
		f.manifest = data
	}
	m, err := parseManifest(data, mediaType)
	if err != nil {
		return nil, err
	}
	if f.config, err = readBlob(ctx, from, m.Config); err != nil {
		return nil, err
	}
	err = f.setLayers(len(m.Layers), want, func(i int, l *layerSource) error {
		d := m.Layers[i]
		if !d.MediaType.IsLayer() && d.MediaType != "" {
			return fmt.Errorf("%w: a layer of the type %.100q", errUnsupported, d.MediaType)
		}
		l.size = d.Size
		l.open = func(ctx context.Context) (io.ReadCloser, error) { return from.blob(ctx, d) }
		return nil
	})
	return f, err
}

// parseManifest reads the manifest of one platform's image.
func parseManifest(data []byte, mediaType types.MediaType) (*v1.Manifest, error) {
	m, err := v1.ParseManifest(bytes.NewReader(data))
	switch {
	case mediaType == types.DockerManifestSchema1 || mediaType == types.DockerManifestSchema1Signed || err == nil && m.SchemaVersion == 1:
		return nil, fmt.Errorf("%w: its manifest is of Docker's schema 1, which is no longer used; push it again", errUnsupported)
	case err != nil || m.Config.Digest.Hex == "":
		return nil, fmt.Errorf("%w: its manifest cannot be read", errCorrupt)
	case !slices.Contains([]types.MediaType{types.OCIConfigJSON, types.DockerConfigJSON, ""}, m.Config.MediaType):
		return nil, fmt.Errorf("%w: it is no container image but %.100q", errUnsupported, m.Config.MediaType)
	}
	return m, nil
}

// setLayers parses the configuration and fills the layers in; each sets the source of one.
func (f *found) setLayers(n int, want v1.Platform, each func(i int, l *layerSource) error) error {
	var err error
	if f.parsed, err = parseConfig(f.config); err != nil {
		return err
	}
	if err := fits(f.parsed, want); err != nil {
		return err
	}
	ids := f.parsed.RootFS.DiffIDs
	if len(ids) != n || n > maxLayers {
		return fmt.Errorf("%w: it has %d layers, and its configuration speaks of %d (at most %d)", errCorrupt, n, len(ids), maxLayers)
	}
	for i, id := range ids {
		l := layerSource{diffID: id}
		if id.Algorithm != "sha256" {
			return fmt.Errorf("%w: a layer by %.20q", errUnsupported, id.Algorithm)
		}
		if err := each(i, &l); err != nil {
			return err
		}
		f.layers = append(f.layers, l)
	}
	return nil
}

func readBlob(ctx context.Context, from blobs, d v1.Descriptor) ([]byte, error) {
	if d.Size > maxConfig {
		return nil, fmt.Errorf("%w: a configuration of %d bytes", errUnsupported, d.Size)
	}
	r, err := from.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

// isIndex goes by the media type, or, as the specification asks of readers, by what is in it where there is none.
func isIndex(data []byte, mediaType types.MediaType) bool {
	if mediaType.IsIndex() || mediaType.IsImage() {
		return mediaType.IsIndex()
	}
	var probe struct {
		MediaType types.MediaType   `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	return json.Unmarshal(data, &probe) == nil && (probe.MediaType.IsIndex() || probe.MediaType == "" && probe.Manifests != nil)
}

// pickPlatform finds the manifest of a platform: the one of the same variant, else the first that names none, else the first.
func pickPlatform(list []v1.Descriptor, want v1.Platform) (v1.Descriptor, error) {
	var fit []v1.Descriptor
	var have []string
	for _, d := range list {
		switch {
		case d.Platform == nil:
			// Without a platform it may be anything; its own configuration tells.
			fit = append(fit, d)
		case d.Platform.OS == want.OS && d.Platform.Architecture == want.Architecture:
			fit = append(fit, d)
		case d.Platform.OS != "unknown": // of which kind attestations are
			have = append(have, d.Platform.String())
		}
	}
	if len(fit) == 0 {
		return v1.Descriptor{}, &platformError{have: have, want: want}
	}
	variant := func(v string) int {
		return slices.IndexFunc(fit, func(d v1.Descriptor) bool { return d.Platform != nil && d.Platform.Variant == v })
	}
	for _, v := range []string{want.Variant, ""} {
		if i := variant(v); i >= 0 {
			return fit[i], nil
		}
	}
	return fit[0], nil
}

// fits checks an image that was made for one platform. One that names none, as those made from scratch, fits all.
func fits(c *v1.ConfigFile, want v1.Platform) error {
	if (c.OS == "" || c.OS == want.OS) && (c.Architecture == "" || c.Architecture == want.Architecture) {
		return nil
	}
	return &platformError{have: []string{(&v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}).String()}, want: want}
}

// platformError says that no program of an image runs on this machine.
type platformError struct {
	have []string
	want v1.Platform
}

func (e *platformError) Error() string {
	if len(e.have) > 6 {
		e.have = append(e.have[:6:6], "…")
	}
	return fmt.Sprintf("image platform %s does not match this machine's %s", strings.Join(e.have, ", "), e.want.String())
}

func parseConfig(data []byte) (*v1.ConfigFile, error) {
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%w: a configuration of %d bytes", errUnsupported, len(data))
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: its configuration cannot be read", errCorrupt)
	}
	return c, nil
}

func runConfig(c *v1.ConfigFile) RunConfig {
	r := RunConfig{
		Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Env: c.Config.Env, WorkingDir: c.Config.WorkingDir,
		User: c.Config.User, StopSignal: c.Config.StopSignal, Labels: c.Config.Labels,
	}
	r.Exposed = slices.Sorted(maps.Keys(c.Config.ExposedPorts))
	r.Volumes = slices.Sorted(maps.Keys(c.Config.Volumes))
	return r
}

// clone gives what the caller may change.
func (r RunConfig) clone() RunConfig {
	r.Entrypoint, r.Cmd, r.Env = slices.Clone(r.Entrypoint), slices.Clone(r.Cmd), slices.Clone(r.Env)
	r.Exposed, r.Volumes, r.Labels = slices.Clone(r.Exposed), slices.Clone(r.Volumes), maps.Clone(r.Labels)
	return r
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
