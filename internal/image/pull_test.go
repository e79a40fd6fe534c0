package image_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/testneeds"
)

func TestPull(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, digest := reg.push(t, "shop/web:1", imageOf(t, map[string]string{"bin/a": "old", "etc/x": "x"}, map[string]string{"bin/a": "new"}))
	s := open(t, t.TempDir())
	var mu sync.Mutex
	done := map[int]int64{}
	img := pull(t, s, image.Request{Ref: ref, Progress: func(p image.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Layers != 2 || p.Done < done[p.Layer] || p.Done > p.Total {
			t.Errorf("progress: got %+v after %d bytes", p, done[p.Layer])
		}
		done[p.Layer] = p.Done
	}})
	want := image.RunConfig{
		Entrypoint: []string{"/app"}, Cmd: []string{"serve"}, Env: []string{"A=1"}, WorkingDir: "/srv", User: "app:1",
		StopSignal: "SIGINT", Exposed: []string{"53/udp", "80/tcp"}, Volumes: []string{"/data"}, Labels: map[string]string{"k": "v"},
	}
	if diff := cmp.Diff(want, img.Config); diff != "" {
		t.Errorf("the configuration (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"bin/a": "new", "etc/x": "x"}, contents(t, img)); diff != "" {
		t.Errorf("the files (-want +got):\n%s", diff)
	}
	if img.Ref != ref || img.Digest != digest || !img.Pulled || img.Size != 7 || len(img.Layers) != 2 {
		t.Errorf("the image: got %+v, want %s of %s, pulled, with 7 bytes in 2 layers", img, digest, ref)
	}
	if len(done) != 2 {
		t.Errorf("progress: got that of %d layers, want 2", len(done))
	}
	if s.Size() != 7 {
		t.Errorf("the store: got %d bytes, want 7", s.Size())
	}
}

func TestPullAgainDownloadsNothing(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, digest := reg.push(t, "web:1", imageOf(t, map[string]string{"a": "1"}, map[string]string{"b": "2"}))
	dir := t.TempDir()
	s := open(t, dir)
	first := pull(t, s, image.Request{Ref: ref})
	for _, r := range []struct {
		request image.Request
		heads   int
	}{
		{image.Request{Ref: ref}, 1},
		{image.Request{Ref: ref, Policy: image.Always}, 1},
		{image.Request{Ref: ref, Policy: image.Missing}, 0},
		{image.Request{Ref: ref, Policy: image.Never}, 0},
		{image.Request{Ref: ref, Digest: digest}, 0},
		{image.Request{Ref: ref, Digest: digest, Policy: image.Always}, 0},
		{image.Request{Ref: reg.host + "/web@" + digest, Policy: image.Never}, 0},
	} {
		reg.reset()
		again := pull(t, s, r.request)
		if again.Pulled || again.Digest != digest {
			t.Errorf("%+v: got %+v, want what is here", r.request, again)
		}
		if diff := cmp.Diff(first.Layers, again.Layers); diff != "" {
			t.Errorf("%+v: the layers (-first +again):\n%s", r.request, diff)
		}
		if got := reg.count("GET /v2/web"); got != 0 || reg.count("HEAD /v2/web") != r.heads {
			t.Errorf("%+v: got %d GET and %d HEAD, want none and %d", r.request, got, reg.count("HEAD /v2/web"), r.heads)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reg.reset()
	if again := pull(t, open(t, dir), image.Request{Ref: ref}); again.Pulled || reg.count("GET /v2/web") != 0 {
		t.Errorf("after a restart: got %+v with %d GET, want what is here", again, reg.count("GET /v2/web"))
	}
}

// TestPullSharesLayers pulls two images with one layer in common, at the same time by several.
func TestPullSharesLayers(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	base := map[string]string{"base": strings.Repeat("x", 100_000)}
	one, _ := reg.push(t, "one:1", imageOf(t, base, map[string]string{"one": "1"}))
	two, _ := reg.push(t, "two:1", imageOf(t, base, map[string]string{"two": "2"}))
	s := open(t, t.TempDir())
	reg.reset()
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			ref := []string{one, two}[i%2]
			if _, err := s.Pull(t.Context(), image.Request{Ref: ref, Holder: fmt.Sprint("c", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	layers := reg.count("/blobs/") - 0
	configs := 12 // at most: each pull may read its configuration
	if layers > 3+configs {
		t.Errorf("blobs: got %d requests, want one for each of the 3 layers and at most %d for configurations", layers, configs)
	}
	base1 := pull(t, s, image.Request{Ref: one}).Layers[0]
	if base2 := pull(t, s, image.Request{Ref: two}).Layers[0]; base1 != base2 {
		t.Errorf("the common layer: got %s and %s, want one directory", base1, base2)
	}
	if want := int64(100_002); s.Size() != want {
		t.Errorf("the store: got %d bytes, want %d", s.Size(), want)
	}
}

func TestPullAfterTheTagMoved(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, old := reg.push(t, "web:latest", imageOf(t, map[string]string{"v": "1"}))
	s := open(t, t.TempDir())
	pull(t, s, image.Request{Ref: ref})
	_, now := reg.push(t, "web:latest", imageOf(t, map[string]string{"v": "2"}))
	other := open(t, t.TempDir())
	for _, c := range []struct {
		store *image.Store
		r     image.Request
		want  string
	}{
		{s, image.Request{Ref: ref, Policy: image.Missing}, old},
		{s, image.Request{Ref: ref, Digest: old}, old},
		{s, image.Request{Ref: ref}, now},
		{s, image.Request{Ref: ref, Digest: old}, old},
		{s, image.Request{Ref: ref, Policy: image.Never}, now},
		{other, image.Request{Ref: ref, Digest: old}, old}, // which is not what the tag means, and has to be fetched
		{other, image.Request{Ref: ref}, now},
	} {
		img := pull(t, c.store, c.r)
		if img.Digest != c.want {
			t.Errorf("%+v: got %s, want %s", c.r, img.Digest, c.want)
		}
		if want := map[bool]string{true: "1", false: "2"}[c.want == old]; contents(t, img)["v"] != want {
			t.Errorf("%+v: got the file %q, want %q", c.r, contents(t, img)["v"], want)
		}
	}
}

func TestPullCompressions(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	for _, kind := range []compression.Compression{compression.GZip, compression.ZStd, compression.None} {
		l := layerOf(t, kind, tarOf(t, map[string]string{"f": "of " + string(kind)}))
		ref, _ := reg.push(t, "c/"+string(kind)+":1", imageOfLayers(t, "amd64", l))
		img := pull(t, open(t, t.TempDir()), image.Request{Ref: ref})
		if got := contents(t, img)["f"]; got != "of "+string(kind) {
			t.Errorf("%s: got %q", kind, got)
		}
	}
}

func TestPullSameLayerTwice(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	a, b := map[string]string{"a": "1"}, map[string]string{"a": "2"}
	ref, _ := reg.push(t, "twice:1", imageOf(t, a, b, a))
	img := pull(t, open(t, t.TempDir()), image.Request{Ref: ref})
	if len(img.Layers) != 2 || contents(t, img)["a"] != "1" {
		t.Errorf("got the layers %v with %v, want the two different ones with the last above", img.Layers, contents(t, img))
	}
}

func TestPullPlatforms(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{"arm64", "amd64", "s390x"} {
		img := imageOfLayers(t, arch, layerOf(t, compression.GZip, tarOf(t, map[string]string{"arch": arch})))
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch},
		}})
	}
	n, err := name.ParseReference(reg.host + "/many:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(n, index, remote.WithAuth(authn.Anonymous)); err != nil {
		t.Fatal(err)
	}
	digest, _ := index.Digest()
	s := open(t, t.TempDir())
	img := pull(t, s, image.Request{Ref: n.String()})
	if img.Digest != digest.String() || contents(t, img)["arch"] != "amd64" {
		t.Errorf("got %s with %v, want the index's digest %s with amd64", img.Digest, contents(t, img), digest)
	}
	single, _ := reg.push(t, "arm:1", imageOfLayers(t, "arm64"))
	riscv := func(c *image.Config) { c.Platform = &v1.Platform{OS: "linux", Architecture: "riscv64"} }
	for _, c := range []struct {
		store *image.Store
		ref   string
		want  string
	}{
		{s, single, "image platform linux/arm64 does not match this machine's linux/amd64"},
		{open(t, t.TempDir(), riscv), n.String(), "image platform linux/arm64, linux/amd64, linux/s390x does not match this machine's linux/riscv64"},
	} {
		_, err := c.store.Pull(t.Context(), image.Request{Ref: c.ref})
		wantError(t, err, image.Platform, c.want)
	}
}

// wantError wants an Error of a reason whose text has a part.
func wantError(t *testing.T, err error, reason image.Reason, part string) {
	t.Helper()
	var e *image.Error
	if !errors.As(err, &e) || e.Reason != reason || !strings.Contains(err.Error(), part) {
		t.Errorf("got the error %v, want one because of %q that says %q", err, reason, part)
		if e != nil {
			t.Logf("its reason is %q", e.Reason)
		}
	}
}

// basic lets in who knows the password.
func basic(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if user, password, ok := r.BasicAuth(); !ok || user != "ann" || password != "s3cret-word" {
		w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}`)
		return
	}
	next.ServeHTTP(w, r)
}

type login struct{ user, password string }

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: l.user, Password: l.password}, nil
}

func TestPullCredentials(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, _ := reg.push(t, "private:1", imageOf(t, map[string]string{"a": "1"}))
	reg.fail(basic)
	right, wrong := &image.Login{Username: "ann", Password: "s3cret-word"}, &image.Login{Username: "ann", Password: "wr0ng-word"}
	chain := func(c *image.Config) { c.Keychain = login{"ann", "s3cret-word"} }
	pull(t, open(t, t.TempDir()), image.Request{Ref: ref, Login: right})
	pull(t, open(t, t.TempDir(), chain), image.Request{Ref: ref})
	for _, c := range []struct {
		login *image.Login
		want  string
	}{
		{wrong, "refuses the credentials, or they may not pull it (401 UNAUTHORIZED)"},
		{nil, "wants credentials, or the image does not exist (401 UNAUTHORIZED)"},
	} {
		_, err := open(t, t.TempDir()).Pull(t.Context(), image.Request{Ref: ref, Login: c.login})
		wantError(t, err, image.Unauthorized, c.want)
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "wr0ng-word") {
			t.Errorf("the error %v has the password in it", err)
		}
	}
}

func TestPullErrors(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	reg.push(t, "there:1", imageOf(t, map[string]string{"a": "1"}))
	s := open(t, t.TempDir())
	missing := "sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct {
		r      image.Request
		reason image.Reason
		want   string
	}{
		{image.Request{Ref: reg.host + "/nothing:1"}, image.NotFound, reg.host + " has no such image (404 NAME_UNKNOWN)"},
		{image.Request{Ref: reg.host + "/there:2"}, image.NotFound, "has no such image (404 MANIFEST_UNKNOWN)"},
		{image.Request{Ref: reg.host + "/there:1", Digest: missing}, image.NotFound, "has no such image"},
		{image.Request{Ref: reg.host + "/there:1", Policy: image.Never}, image.Absent, "it is not on this machine, and the pull policy is never"},
		{image.Request{Ref: "127.0.0.1:1/there:1"}, image.Unreachable, "cannot reach 127.0.0.1:1: connection refused"},
		{image.Request{Ref: "Not A Name"}, image.BadName, "is no image's name"},
		{image.Request{Ref: ""}, image.BadName, "is no image's name"},
		{image.Request{Ref: "https://example.com/x"}, image.BadName, "without a scheme"},
		{image.Request{Ref: "ann:s3cret@example.com/x"}, image.BadName, "is no image's name"},
		{image.Request{Ref: reg.host + "/there:1", Digest: "sha256:1"}, image.BadName, "is not the digest of the image"},
		{image.Request{Ref: reg.host + "/there@" + missing, Digest: strings.Replace(missing, "0", "1", 1)}, image.BadName, "is not the digest"},
		{image.Request{Ref: "oci:relative"}, image.BadName, "needs an absolute path"},
		{image.Request{Ref: "oci:/does/not/exist"}, image.NotFound, "no such file"},
		{image.Request{Ref: "docker-archive:/does/not/exist.tar"}, image.NotFound, "no such file"},
		{image.Request{Ref: "docker-archive:/dev/null"}, image.Unsupported, "/dev/null is no file"},
	} {
		_, err := s.Pull(t.Context(), c.r)
		wantError(t, err, c.reason, c.want)
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("the error %v has the password in it", err)
		}
	}
}

// TestPullWithoutTLS asks a registry at an address that is not this machine's: nothing is sent to it in plain text, unless
// somebody says that it may be.
func TestPullWithoutTLS(t *testing.T) {
	t.Parallel()
	ref := "192.168.255.254:5000/web:1"
	quick := func(c *image.Config) { c.Idle = 50 * time.Millisecond } // nobody answers
	_, err := open(t, t.TempDir(), quick).Pull(t.Context(), image.Request{Ref: ref, Login: &image.Login{Username: "ann", Password: "x"}})
	wantError(t, err, image.Unreachable, "192.168.255.254:5000 does not speak TLS")
}

// TestPullUnreachable stops the registry: what is here is used, but for who insists.
func TestPullUnreachable(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, digest := reg.push(t, "web:1", imageOf(t, map[string]string{"a": "1"}))
	s := open(t, t.TempDir())
	pull(t, s, image.Request{Ref: ref})
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		reg.fail(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(status) })
		if img := pull(t, s, image.Request{Ref: ref}); img.Digest != digest {
			t.Errorf("status %d: got %s, want %s", status, img.Digest, digest)
		}
		_, err := s.Pull(t.Context(), image.Request{Ref: ref, Policy: image.Always})
		wantError(t, err, image.Unreachable, fmt.Sprintf("(%d ", status))
	}
	// What the registry says is believed: the image may be secret by now.
	reg.fail(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusForbidden) })
	_, err := s.Pull(t.Context(), image.Request{Ref: ref})
	wantError(t, err, image.Unauthorized, "(403 Forbidden)")
}

func TestPullSilentRegistry(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, _ := reg.push(t, "web:1", imageOf(t, map[string]string{"a": "1"}))
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	reg.fail(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			select {
			case <-over:
			case <-r.Context().Done():
			}
			return
		}
		next.ServeHTTP(w, r)
	})
	s := open(t, t.TempDir(), func(c *image.Config) { c.Idle = time.Second }) // long enough for the manifest, which is answered
	_, err := s.Pull(t.Context(), image.Request{Ref: ref})
	wantError(t, err, image.Unreachable, "no byte came for too long")
}

// layerBlob gives the path of an image's layer.
func layerBlob(t *testing.T, img v1.Image, i int) string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[i].Digest()
	if err != nil {
		t.Fatal(err)
	}
	return "/blobs/" + d.String()
}

func TestPullDamaged(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	img := imageOf(t, map[string]string{"a": strings.Repeat("text ", 10_000)}, map[string]string{"b": "2"})
	ref, _ := reg.push(t, "web:1", img)
	blob := layerBlob(t, img, 0)
	other, err := mutate.Config(imageOf(t, map[string]string{"z": "9"}), v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	otherRef, _ := reg.push(t, "web:other", other)
	_ = otherRef
	change := func(f func(data []byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.HasSuffix(r.URL.Path, blob) {
				next.ServeHTTP(w, r)
				return
			}
			rec := &recorder{header: http.Header{}}
			plain := r.Clone(r.Context())
			plain.Header.Del("Range")
			next.ServeHTTP(rec, plain)
			_, _ = w.Write(f(rec.body))
		}
	}
	for _, c := range []struct {
		name  string
		fault func([]byte) []byte
	}{
		{"one bit", func(d []byte) []byte { d = slices.Clone(d); d[len(d)/2] ^= 1; return d }},
		{"truncated", func(d []byte) []byte { return d[:len(d)/2] }},
		{"empty", func([]byte) []byte { return nil }},
		{"longer", func(d []byte) []byte { return append(slices.Clone(d), "more"...) }},
		{"another", func(d []byte) []byte { return []byte(strings.Repeat("x", len(d))) }},
	} {
		dir := t.TempDir()
		s := open(t, dir)
		reg.fail(change(c.fault))
		_, err := s.Pull(t.Context(), image.Request{Ref: ref})
		wantError(t, err, image.Corrupt, "")
		if err != nil {
			t.Logf("%s: %v", c.name, err)
		}
		if left := leftovers(t, dir); len(left) != 0 {
			t.Errorf("%s: got %v left over, want nothing", c.name, left)
		}
		if all := s.List(); len(all) != 0 {
			t.Errorf("%s: got the images %v, want none", c.name, all)
		}
		reg.fail(nil)
		pull(t, s, image.Request{Ref: ref}) // nothing of the damage stays
	}
}

type recorder struct {
	header http.Header
	body   []byte
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return len(p), nil
}

// TestPullResumes breaks a download at every third of it, by a registry that knows ranges and by one that does not.
func TestPullResumes(t *testing.T) {
	t.Parallel()
	for _, ranges := range []bool{true, false} {
		reg := newServer(t)
		random := make([]byte, 300_000)
		for i := range random {
			random[i] = byte(i * i >> 3)
		}
		img := imageOf(t, map[string]string{"a": string(random)})
		ref, _ := reg.push(t, "web:1", img)
		blob := layerBlob(t, img, 0)
		var requests, resumed atomic.Int32
		reg.fail(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.HasSuffix(r.URL.Path, blob) {
				next.ServeHTTP(w, r)
				return
			}
			requests.Add(1)
			rec := &recorder{header: http.Header{}}
			plain := r.Clone(r.Context())
			plain.Header.Del("Range")
			next.ServeHTTP(rec, plain)
			data := rec.body
			if from := 0; ranges && r.Header.Get("Range") != "" {
				if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err != nil {
					t.Error(err)
				}
				resumed.Add(1)
				data = data[from:]
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
				w.WriteHeader(http.StatusPartialContent)
			} else {
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			}
			third := len(rec.body) / 3 * int(requests.Load())
			if ranges {
				third = len(rec.body)/3 + 1
			}
			_, _ = w.Write(data[:min(len(data), third+1)])
			if third+1 < len(data) {
				panic(http.ErrAbortHandler)
			}
		})
		got := pull(t, open(t, t.TempDir()), image.Request{Ref: ref})
		if contents(t, got)["a"] != string(random) {
			t.Error("the file is not what was pushed")
		}
		if requests.Load() != 3 || ranges && resumed.Load() != 2 {
			t.Errorf("ranges %v: got %d requests, %d of them for the rest, want 3 and 2", ranges, requests.Load(), resumed.Load())
		}
	}
}

// TestPullCanceled ends a pull at each of its requests, and in the middle of a layer: nothing is left, and the next pull
// succeeds.
func TestPullCanceled(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	img := imageOf(t, map[string]string{"a": "1"}, map[string]string{"b": "2"}, map[string]string{"c": "3"})
	ref, _ := reg.push(t, "web:1", img)
	for step := 1; ; step++ {
		dir := t.TempDir()
		s := open(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int32
		reg.fail(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if int(n.Add(1)) >= step {
				cancel()
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
		_, err := s.Pull(ctx, image.Request{Ref: ref, Holder: "c"})
		cancel()
		if err == nil {
			if step < 5 {
				t.Errorf("the pull took %d requests only", step-1)
			}
			return
		}
		wantError(t, err, image.Canceled, "")
		if left := leftovers(t, dir); len(left) != 0 || len(s.List()) != 0 || len(s.Holders()) != 0 {
			t.Errorf("step %d: got %v left over, the images %v and the holders %v, want nothing", step, left, s.List(), s.Holders())
		}
		reg.fail(nil)
		if got := contents(t, pull(t, s, image.Request{Ref: ref})); len(got) != 3 {
			t.Errorf("step %d: got %v from the next pull, want 3 files", step, got)
		}
	}
}

// TestPullWaiterOutlivesLeader cancels the pull that downloads a layer which another one waits for.
func TestPullWaiterOutlivesLeader(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	img := imageOf(t, map[string]string{"a": "1"})
	ref, _ := reg.push(t, "web:1", img)
	blob := layerBlob(t, img, 0)
	leader, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	var first atomic.Bool
	reg.fail(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, blob) && first.CompareAndSwap(false, true) {
			close(started)
			<-r.Context().Done() // until the leader is canceled
			return
		}
		next.ServeHTTP(w, r)
	})
	s := open(t, t.TempDir())
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := s.Pull(leader, image.Request{Ref: ref}); err == nil {
			t.Error("the leader: got no error")
		}
	})
	<-started
	both.Go(func() {
		if _, err := s.Pull(t.Context(), image.Request{Ref: ref, Holder: "waiter"}); err != nil {
			t.Errorf("the waiter: %v", err)
		}
	})
	cancel()
	both.Wait()
	if diff := cmp.Diff([]string{"waiter"}, s.Holders()); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
}

func TestPullRefusesHostileLayers(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	for i, files := range []map[string]string{{"../x": "1"}, {"a/../../x": "1"}, {"d/.wh..": ""}} {
		ref, _ := reg.push(t, fmt.Sprintf("bad:%d", i), imageOf(t, map[string]string{"a": "1"}, files))
		dir := filepath.Join(t.TempDir(), "store")
		s := open(t, dir)
		_, err := s.Pull(t.Context(), image.Request{Ref: ref})
		wantError(t, err, image.Unsupported, "refused")
		if left := leftovers(t, dir); len(left) != 0 {
			t.Errorf("got %v left over, want nothing", left)
		}
		if others, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(others) != 1 {
			t.Errorf("beside the store: got %v, %v, want nothing", others, err)
		}
	}
}

func TestPullNoSpace(t *testing.T) {
	t.Parallel()
	reg := newServer(t)
	ref, _ := reg.push(t, "web:1", imageOf(t, map[string]string{"a": "1"}))
	dir := t.TempDir()
	s := open(t, dir, func(c *image.Config) {
		c.Statfs = func(string) (image.FileSystem, error) { return image.FileSystem{Size: 1000, Free: 5}, nil }
	})
	_, err := s.Pull(t.Context(), image.Request{Ref: ref})
	wantError(t, err, image.NoSpace, "no space left on the disk of "+dir)
	if left := leftovers(t, dir); len(left) != 0 || s.Size() != 0 {
		t.Errorf("got %v left over and %d bytes, want nothing", left, s.Size())
	}
}

// TestPullFillsTheDisk pulls into a file system of 1 MiB, and does not look at how much room there is before.
func TestPullFillsTheDisk(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	reg := newServer(t)
	small, _ := reg.push(t, "small:1", imageOf(t, map[string]string{"a": "1"}))
	big, _ := reg.push(t, "big:1", imageOf(t, map[string]string{"b": "2"}, map[string]string{"c": text(2 << 20)}))
	s := open(t, dir)
	pull(t, s, image.Request{Ref: small})
	_, err := s.Pull(t.Context(), image.Request{Ref: big})
	wantError(t, err, image.NoSpace, "no space left on the disk of "+dir)
	if left := leftovers(t, dir); len(left) != 0 || len(s.List()) != 1 {
		t.Errorf("got %v left over and the images %v, want nothing and the small one", left, s.List())
	}
	if err := s.Close(); err != nil {
		t.Errorf("close with the disk as it was before: %v", err)
	}
}
