package image_test

import (
	"archive/tar"
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/maitred/maitred/internal/image"
)

// server is a registry on the loopback that counts requests, and in whose answers a test can put faults.
type server struct {
	host string

	mu    sync.Mutex
	asked []string // method and path, without the repository's
	fault func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{}
	inner := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		fault := s.fault
		s.mu.Unlock()
		if fault != nil {
			fault(w, r, inner)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.host = strings.TrimPrefix(web.URL, "http://")
	return s
}

func (s *server) fail(fault func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// count tells how many requests were made whose method and path contain a text, since the last reset.
func (s *server) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if strings.Contains(a, text) {
			n++
		}
	}
	return n
}

func (s *server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

// push gives the full name and the digest.
func (s *server) push(t testing.TB, repo string, img v1.Image) (ref, digest string) {
	t.Helper()
	ref = s.host + "/" + repo
	n, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(n, img, remote.WithAuth(authn.Anonymous)); err != nil {
		t.Fatal(err)
	}
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref, h.String()
}

// tarOf makes an archive of files, in the order of their names.
func tarOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: n, Mode: 0o755, Size: int64(len(files[n]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func layerOf(t testing.TB, kind compression.Compression, data []byte) v1.Layer {
	t.Helper()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
		tarball.WithCompression(kind))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// imageOf makes an image for linux/amd64 with a layer for each set of files.
func imageOf(t testing.TB, layers ...map[string]string) v1.Image {
	t.Helper()
	var all []v1.Layer
	for _, files := range layers {
		all = append(all, layerOf(t, compression.GZip, tarOf(t, files)))
	}
	return imageOfLayers(t, "amd64", all...)
}

func imageOfLayers(t testing.TB, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	c.Config = v1.Config{
		Entrypoint: []string{"/app"}, Cmd: []string{"serve"}, Env: []string{"A=1"}, WorkingDir: "/srv", User: "app:1",
		StopSignal: "SIGINT", ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}},
		Volumes: map[string]struct{}{"/data": {}}, Labels: map[string]string{"k": "v"},
	}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

// linux is the platform of all tests, whatever machine they run on.
func linux() *v1.Platform { return &v1.Platform{OS: "linux", Architecture: "amd64"} }

// noLogins is a keychain without anything, so that the one of whoever runs the tests is not used.
type noLogins struct{}

func (noLogins) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// roomy is a file system with room enough, however full the machine's is.
func roomy(string) (image.FileSystem, error) {
	return image.FileSystem{Size: 100 << 30, Free: 90 << 30}, nil
}

func configOf(dir string, change ...func(*image.Config)) image.Config {
	c := image.Config{Dir: dir, Keychain: noLogins{}, Platform: linux(), Statfs: roomy, Retry: time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	return c
}

func open(t testing.TB, dir string, change ...func(*image.Config)) *image.Store {
	t.Helper()
	s, err := image.Open(configOf(dir, change...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func pull(t testing.TB, s *image.Store, r image.Request) image.Image {
	t.Helper()
	img, err := s.Pull(t.Context(), r)
	if err != nil {
		t.Fatalf("pull %s: %v", r.Ref, err)
	}
	return img
}

// contents reads the files of all layers, the higher ones over the lower ones.
func contents(t testing.TB, img image.Image) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, dir := range img.Layers {
		if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			rel, _ := filepath.Rel(dir, path)
			got[rel] = string(data)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// leftovers tells what lies in a store's temporary directory.
func leftovers(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
