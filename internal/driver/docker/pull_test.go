package docker

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/testneeds"
)

const user, password = "cook", "secret sauce"

// shelf is a registry that this test serves; it wants credentials if locked.
type shelf struct {
	*testing.T
	host string
}

func newShelf(t *testing.T, locked bool) *shelf {
	t.Helper()
	inner := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); locked && (u != user || p != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="kitchen"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return &shelf{t, strings.TrimPrefix(server.URL, "http://")}
}

// push puts an image of the pause program on the shelf, with a label that makes it unlike others, and gives its digest.
func (s *shelf) push(image, label string) string {
	s.Helper()
	_, archive, err := pauseImage(runtime.GOARCH)
	if err != nil {
		s.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil })
	if err != nil {
		s.Fatal(err)
	}
	built, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		s.Fatal(err)
	}
	built, err = mutate.ConfigFile(built, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", RootFS: must(built.ConfigFile()).RootFS,
		Config: v1.Config{Entrypoint: []string{"/pause"}, Labels: map[string]string{"label": label}},
	})
	if err != nil {
		s.Fatal(err)
	}
	ref, err := name.ParseReference(s.host + "/" + image)
	if err != nil {
		s.Fatal(err)
	}
	if err := remote.Write(ref, built, remote.WithAuth(&authn.Basic{Username: user, Password: password})); err != nil {
		s.Fatalf("push %s: %v", image, err)
	}
	return must(built.Digest()).String()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pulls makes a world whose images from the shelf are removed with the test.
func (s *shelf) pulls(image string) (*world, *Driver, driver.Spec) {
	w := newWorld(s.T, testneeds.Docker(s.T), image)
	d := w.connect()
	s.Cleanup(func() { // before the world is cleared, which is registered before
		w.clear()
		all, err := d.client.ImageList(context.Background(), client.ImageListOptions{})
		if err != nil {
			s.Error(err)
		}
		for _, im := range all.Items {
			for _, of := range append(im.RepoTags, im.RepoDigests...) {
				if strings.HasPrefix(of, s.host+"/") {
					_, _ = d.client.ImageRemove(context.Background(), im.ID, client.ImageRemoveOptions{Force: true})
				}
			}
		}
	})
	spec := w.spec("a")
	spec.Definition.Image = s.host + "/" + image
	return w, d, spec
}

func TestPull(t *testing.T) {
	t.Parallel()
	testneeds.Docker(t)
	s := newShelf(t, false)
	old := s.push("app:1", "old")
	w, d, spec := s.pulls("app:1")
	first := w.must(d, spec)
	if first.Image != old || first.PullStartedAt.IsZero() || first.PullStoppedAt.Before(first.PullStartedAt) {
		t.Errorf("Start = %+v, want the image %s and the times of its pull", first, old)
	}
	renewed := s.push("app:1", "new")
	spec.ID = "b"
	if got := w.must(d, spec); got.Image != old || !got.PullStartedAt.IsZero() {
		t.Errorf("Start with an image that is here = %+v, want %s and no pull", got, old)
	}
	spec.ID, spec.Digest = "c", renewed
	if got := w.must(d, spec); got.Image != renewed || got.PullStartedAt.IsZero() {
		t.Errorf("Start of another digest = %+v, want %s, pulled", got, renewed)
	}
	spec.ID, spec.Digest = "d", old
	if got := w.must(d, spec); got.Image != old || !got.PullStartedAt.IsZero() {
		t.Errorf("Start of the first digest = %+v, want %s and no pull", got, old)
	}
	c, err := d.inspect(w.ctx, d.name("c"))
	if err != nil || c.Config.Labels["label"] != "new" {
		t.Errorf("what was started by the digest has the label %q, %v, want new", c.Config.Labels["label"], err)
	}
	all, err := d.List(w.ctx)
	if err != nil || len(all) != 4 || all[2].Image != renewed || all[3].Image != old {
		t.Errorf("List = %+v, %v, want the digests", all, err)
	}
	spec.ID, spec.Digest, spec.Definition.Image = "e", "", s.host+"/app:absent"
	_, err = d.Start(w.ctx, spec)
	w.wantName(err, cannotPull, "app:absent")
}

// TestPullWithCredentials cannot be parallel: it sets where Docker's configuration is.
func TestPullWithCredentials(t *testing.T) {
	testneeds.Docker(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	s := newShelf(t, true)
	digest := s.push("locked:1", "locked")
	w, d, spec := s.pulls("locked:1")
	_, err := d.Start(w.ctx, spec)
	w.wantName(err, cannotPull, "repositoryCredentials")
	spec.ID, spec.Registry = "b", &driver.Login{Username: user, Password: "wrong"}
	_, err = d.Start(w.ctx, spec)
	w.wantName(err, cannotPull, "locked:1")
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("Start = %v, and the password is in it", err)
	}
	spec.ID, spec.Registry.Password = "c", password
	if got := w.must(d, spec); got.Image != digest || got.PullStartedAt.IsZero() {
		t.Errorf("Start with repositoryCredentials = %+v, want %s, pulled", got, digest)
	}
	other := s.push("locked:2", "other")
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	config := `{"auths":{"` + s.host + `":{"auth":"` + auth + `"}}}`
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	spec.ID, spec.Registry, spec.Definition.Image = "d", nil, s.host+"/locked:2"
	if got := w.must(d, spec); got.Image != other {
		t.Errorf("Start with Docker's configuration = %+v, want %s", got, other)
	}
}

func TestPinned(t *testing.T) {
	t.Parallel()
	const a, b = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	for _, c := range []struct{ image, digest, want string }{
		{"nginx:1.27", "", "nginx:1.27"},
		{"nginx:1.27", a, "nginx@" + a},
		{"nginx@" + b, a, "nginx@" + b},
		{"quay.io/x/nginx", a, "quay.io/x/nginx@" + a},
		{"127.0.0.1:5000/app:1", a, "127.0.0.1:5000/app@" + a},
		{strings.Repeat("a", 64), a, strings.Repeat("a", 64)},
		{"nginx", "nonsense", "nginx"},
	} {
		if got := pinned(c.image, c.digest); got != c.want {
			t.Errorf("pinned(%q, %q) = %q, want %q", c.image, c.digest, got, c.want)
		}
	}
}
