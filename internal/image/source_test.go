package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/maitred/maitred/internal/image"
)

func digestOf(t *testing.T, img interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func configDigest(t *testing.T, img v1.Image) string {
	t.Helper()
	h, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func writeLayout(t *testing.T, tagged map[string]v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for tag, img := range tagged {
		var options []layout.Option
		if tag != "" {
			options = append(options, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag}))
		}
		if err := p.AppendImage(img, options...); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPullLayout(t *testing.T) {
	t.Parallel()
	one, two := imageOf(t, map[string]string{"v": "1"}), imageOf(t, map[string]string{"v": "2"})
	single := writeLayout(t, map[string]v1.Image{"": one})
	tagged := writeLayout(t, map[string]v1.Image{"a": one, "b": two})
	s := open(t, t.TempDir())
	for _, c := range []struct {
		r    image.Request
		want v1.Image
	}{
		{image.Request{Ref: "oci:" + single}, one},
		{image.Request{Ref: "oci:" + tagged + ":a"}, one},
		{image.Request{Ref: "oci:" + tagged + ":b"}, two},
		{image.Request{Ref: "oci:" + tagged + ":b", Policy: image.Never}, two},
		{image.Request{Ref: "oci:" + tagged + ":a", Digest: digestOf(t, two)}, two},
	} {
		if img := pull(t, s, c.r); img.Digest != digestOf(t, c.want) {
			t.Errorf("%+v: got %s, want %s", c.r, img.Digest, digestOf(t, c.want))
		}
	}
	for ref, want := range map[string]string{
		"oci:" + tagged:        "the layout has 2 images, so a tag is needed",
		"oci:" + tagged + ":c": `the layout has no tag "c" (it has `,
	} {
		_, err := s.Pull(t.Context(), image.Request{Ref: ref})
		wantError(t, err, image.NotFound, want)
	}
}

// TestPullLayoutOfPlatforms reads an index inside of the layout's index.
func TestPullLayoutOfPlatforms(t *testing.T) {
	t.Parallel()
	img := imageOf(t, map[string]string{"v": "1"})
	inner := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
		Platform: &v1.Platform{OS: "linux", Architecture: "amd64"},
	}})
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendIndex(inner); err != nil {
		t.Fatal(err)
	}
	got := pull(t, open(t, t.TempDir()), image.Request{Ref: "oci:" + dir})
	if got.Digest != digestOf(t, inner) || contents(t, got)["v"] != "1" {
		t.Errorf("got %s with %v, want %s", got.Digest, contents(t, got), digestOf(t, inner))
	}
}

func TestPullLayoutDamaged(t *testing.T) {
	t.Parallel()
	img := imageOf(t, map[string]string{"v": strings.Repeat("1", 10_000)})
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for what, h := range map[string]v1.Hash{"manifest": {}, "configuration": m.Config.Digest, "layer": m.Layers[0].Digest} {
		if what == "manifest" {
			if h, err = img.Digest(); err != nil {
				t.Fatal(err)
			}
		}
		for _, damage := range []func([]byte) []byte{
			func(b []byte) []byte { return b[:len(b)-2] },
			func(b []byte) []byte { return append(b[:len(b)-1:len(b)-1], b[len(b)-1]^1) },
			func(b []byte) []byte { return append(b, ' ') },
		} {
			dir := writeLayout(t, map[string]v1.Image{"": img})
			path := filepath.Join(dir, "blobs", "sha256", h.Hex)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = open(t, t.TempDir()).Pull(t.Context(), image.Request{Ref: "oci:" + dir})
			wantError(t, err, image.Corrupt, "")
		}
	}
}

func tag(t *testing.T, s string) name.Tag {
	t.Helper()
	n, err := name.NewTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPullDockerArchive(t *testing.T) {
	t.Parallel()
	one, two := imageOf(t, map[string]string{"v": "1"}, map[string]string{"w": "1"}), imageOf(t, map[string]string{"v": "2"})
	single, both := filepath.Join(t.TempDir(), "one.tar"), filepath.Join(t.TempDir(), "both.tar")
	if err := tarball.WriteToFile(single, tag(t, "shop/one:1"), one); err != nil {
		t.Fatal(err)
	}
	if err := tarball.MultiWriteToFile(both, map[name.Tag]v1.Image{tag(t, "shop/one:1"): one, tag(t, "shop/two:latest"): two}); err != nil {
		t.Fatal(err)
	}
	s := open(t, t.TempDir())
	for _, c := range []struct {
		r    image.Request
		want v1.Image
	}{
		{image.Request{Ref: "docker-archive:" + single}, one},
		{image.Request{Ref: "docker-archive:" + single, Digest: configDigest(t, one)}, one},
		{image.Request{Ref: "docker-archive:" + both + ":shop/one:1"}, one},
		{image.Request{Ref: "docker-archive:" + both + ":shop/two"}, two},
		{image.Request{Ref: "docker-archive:" + both + ":shop/two", Policy: image.Missing}, two},
	} {
		if img := pull(t, s, c.r); img.Digest != configDigest(t, c.want) {
			t.Errorf("%+v: got %s, want %s", c.r, img.Digest, configDigest(t, c.want))
		}
	}
	for ref, want := range map[string]string{
		"docker-archive:" + both:                "the archive has 2 images, so a name is needed",
		"docker-archive:" + both + ":shop/none": `the archive has no "shop/none"`,
	} {
		_, err := s.Pull(t.Context(), image.Request{Ref: ref})
		wantError(t, err, image.NotFound, want)
	}
	_, err := s.Pull(t.Context(), image.Request{Ref: "docker-archive:" + single, Digest: configDigest(t, imageOf(t))})
	wantError(t, err, image.NotFound, "is asked for")

	data, err := os.ReadFile(single)
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(t.TempDir(), "half.tar")
	if err := os.WriteFile(half, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, t.TempDir()).Pull(t.Context(), image.Request{Ref: "docker-archive:" + half})
	wantError(t, err, image.Corrupt, "")
}

// TestPullNoFile names what is no file: to open a pipe would wait for its other end, and no deadline ends that.
func TestPullNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "index.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, t.TempDir())
	for _, ref := range []string{"docker-archive:" + pipe, "oci:" + dir, "docker-archive:/dev/zero", "docker-archive:" + dir} {
		_, err := s.Pull(t.Context(), image.Request{Ref: ref})
		wantError(t, err, image.Unsupported, "is no file")
	}
}

// savedByOldDocker writes the form of Docker before 25: plain layers in directories, an equal one as a link.
func savedByOldDocker(t *testing.T, img v1.Image) []byte {
	t.Helper()
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "c.json", "RepoTags": nil, "Layers": []string{"one/layer.tar", "two/layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range []entry{
		{"one/layer.tar", tar.TypeReg, "", plain},
		{"two/layer.tar", tar.TypeSymlink, "../one/layer.tar", nil},
		{"c.json", tar.TypeReg, "", config},
		{"manifest.json", tar.TypeReg, "", manifest},
	} {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.target, Size: int64(len(e.data)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type entry struct {
	name   string
	kind   byte
	target string
	data   []byte
}

// TestPullDockerDaemon speaks to a fake of the two calls of Docker's API that are used.
func TestPullDockerDaemon(t *testing.T) {
	t.Parallel()
	files := map[string]string{"v": "1"}
	img := imageOf(t, files, files)
	id := configDigest(t, img)
	var saves atomic.Int32
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /images/shop/web:1/json", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"Id": id})
	})
	mux.HandleFunc("GET /images/"+id+"/get", func(w http.ResponseWriter, _ *http.Request) {
		saves.Add(1)
		_, _ = w.Write(savedByOldDocker(t, img))
	})
	mux.HandleFunc("GET /images/broken:1/json", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"message":"the disk is on fire"}`)
	})
	fake := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	fake.Start()
	t.Cleanup(fake.Close)
	dir := t.TempDir()
	s := open(t, dir, func(c *image.Config) { c.Docker = "unix://" + socket })
	for range 3 {
		got := pull(t, s, image.Request{Ref: "docker-daemon:shop/web:1"})
		if got.Digest != id || contents(t, got)["v"] != "1" || len(got.Layers) != 1 {
			t.Errorf("got %+v with %v, want %s", got, contents(t, got), id)
		}
	}
	if saves.Load() != 1 {
		t.Errorf("got %d saves of one image, want 1", saves.Load())
	}
	_, err = s.Pull(t.Context(), image.Request{Ref: "docker-daemon:nothing"})
	wantError(t, err, image.NotFound, "there is no such image in the Docker daemon")
	_, err = s.Pull(t.Context(), image.Request{Ref: "docker-daemon:broken:1"})
	wantError(t, err, image.Other, "answers 500 the disk is on fire")
	if left := leftovers(t, dir); len(left) != 0 {
		t.Errorf("got %v left over, want nothing", left)
	}
	for endpoint, want := range map[string]image.Reason{"unix:///does/not/exist": image.Unreachable, "tcp://example.com:2375": image.Other} {
		s := open(t, t.TempDir(), func(c *image.Config) { c.Docker = endpoint })
		_, err := s.Pull(t.Context(), image.Request{Ref: "docker-daemon:shop/web:1"})
		wantError(t, err, want, "")
	}
}
