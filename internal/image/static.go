package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	layouts "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// tagAnnotation names an image in a layout ("OCI Image Layout Specification").
const tagAnnotation = "org.opencontainers.image.ref.name"

// WriteStatic makes an image of one static program of this machine, its entry point, and of nothing else: in a directory,
// from where it can be pulled as oci:DIR:TAG. What is there of that tag is replaced.
func WriteStatic(dir, tag, program string) error {
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	root, err := archiveOf(filepath.Base(program), text)
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(root)), nil })
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config.OS, config.Architecture, config.Config.Entrypoint = "linux", runtime.GOARCH, []string{"/" + filepath.Base(program)}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	path, err := layouts.FromPath(dir)
	if errors.Is(err, os.ErrNotExist) {
		path, err = layouts.Write(dir, empty.Index)
	}
	if err != nil {
		return fmt.Errorf("open the layout %s: %w", dir, err)
	}
	return path.ReplaceImage(img, match.Annotation(tagAnnotation, tag), layouts.WithAnnotations(map[string]string{tagAnnotation: tag}))
}

// archiveOf is a root directory with one program.
func archiveOf(name string, program []byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = w.Write(program)
	}
	return b.Bytes(), errors.Join(err, w.Close())
}
