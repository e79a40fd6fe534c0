//go:build linux

package e2e

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sys/unix"
)

// moody is a registry with an image of the guest, that can be told to misbehave.
type moody struct {
	mood    atomic.Value  // string: well, stalls, 500, goes
	stalled atomic.Int64  // how many requests have begun to wait
	release chan struct{} // closed at the end of the test
	ref     string
}

func newMoody(t *testing.T) *moody {
	t.Helper()
	m := &moody{release: make(chan struct{})}
	m.mood.Store("well")
	inner := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { m.serve(rw, r, inner) }))
	t.Cleanup(func() {
		close(m.release)
		server.CloseClientConnections()
		server.Close()
	})
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/guest:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, guestAlone(t, nil)); err != nil {
		t.Fatal(err)
	}
	m.ref = ref.String()
	return m
}

func (m *moody) serve(rw http.ResponseWriter, r *http.Request, inner http.Handler) {
	blob := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
	switch mood := m.mood.Load().(string); {
	case mood == "500":
		http.Error(rw, "out of order", http.StatusInternalServerError)
	case mood == "stalls" && blob:
		m.stalled.Add(1)
		select {
		case <-m.release:
		case <-r.Context().Done():
		}
	case mood == "goes" && blob:
		inner.ServeHTTP(&cut{ResponseWriter: rw, left: 1000}, r)
	default:
		inner.ServeHTTP(rw, r)
	}
}

// cut is an answer whose connection breaks in the middle.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if len(b) > c.left {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

// create makes the service of these stories, and does not wait for it.
func (w *crashWorld) create(family string) {
	w.t.Helper()
	if _, err := w.c.CreateService(w.t.Context(), &ecs.CreateServiceInput{
		ServiceName: aws.String(worker), TaskDefinition: &family, DesiredCount: aws.Int32(1), NetworkConfiguration: w.network(family),
	}); err != nil {
		w.t.Fatal(err)
	}
}

// fails waits until a task of the service has stopped for a reason that contains these words.
func (w *crashWorld) fails(words ...string) {
	w.t.Helper()
	last := ""
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, task := range stopped(w.t, w.c) {
			last = why(&task)
			found := 0
			for _, word := range words {
				if strings.Contains(last, word) {
					found++
				}
			}
			if found == len(words) {
				return
			}
		}
		select {
		case <-deadline:
			w.t.Fatalf("no task stopped because of %q after %v; the last one because of %q", words, patience, last)
		case <-tick.C:
		}
	}
}

func (w *crashWorld) tallying(c *types.ContainerDefinition) {
	c.Environment = []types.KeyValuePair{{Name: aws.String("TALLY"), Value: aws.String("/tallies/all")}}
}

// TestRegistryOutOfOrder has a registry answer 500, and break off: the tasks of a service stop because of that, one after
// the other, until it is in order again. A task whose registry is silent can be stopped, and the agent killed meanwhile.
func TestRegistryOutOfOrder(t *testing.T) {
	m := newMoody(t)
	w := newCrashWorld(t, "oci")
	w.image = m.ref
	w.register("own", types.NetworkModeAwsvpc, w.tallying, "tally")

	m.mood.Store("stalls")
	waiting := w.run("own", "waiting")
	eventually(t, "the pull has begun", func() bool { return m.stalled.Load() > 0 })
	w.agent.kill()
	m.stalled.Store(0)
	w.startAgent()
	eventually(t, "the pull has begun again", func() bool { return m.stalled.Load() > 0 })
	w.stop(waiting)
	if over := w.settled([]string{waiting}, true); w.started("waiting") > 0 {
		t.Errorf("a task that was stopped while its image was pulled was started: %s", brief(over))
	}
	w.empty("left of a pull that was called off", w.left)

	m.mood.Store("500")
	w.create("own")
	w.fails("CannotPullContainerError", "500")
	m.mood.Store("goes")
	w.fails("CannotPullContainerError", "EOF")
	m.mood.Store("well")
	stable(t, w.c)
	w.noted("all")
	w.drop()
	w.end()
}

// TestImageStoreFull has a small file system for the images: a service cannot pull its image, says so and keeps trying;
// when there is room, it runs.
func TestImageStoreFull(t *testing.T) {
	m := newMoody(t)
	w := newCrashWorld(t, "oci")
	w.agent.interrupt()
	images := filepath.Join(w.dir, "images")
	w.must(os.MkdirAll(images, 0o700))
	w.must(unix.Mount("tmpfs", images, "tmpfs", 0, "size=20m"))
	t.Cleanup(func() { _ = unix.Unmount(images, unix.MNT_DETACH) })
	ballast := filepath.Join(images, "ballast")
	text := make([]byte, 18<<20)
	_, _ = rand.Read(text)
	w.must(os.WriteFile(ballast, text, 0o600))
	w.startAgent()
	w.image = m.ref
	w.register("own", types.NetworkModeAwsvpc, w.tallying, "tally")
	w.create("own")
	w.fails("CannotPullContainerError", "no space left")
	eventually(t, "it is tried again", func() bool { return len(stopped(t, w.c)) > 1 })
	w.must(os.Remove(ballast))
	stable(t, w.c)
	w.noted("all")
	w.drop()
	w.agent.interrupt()
	if len(names("", filepath.Join(images, "tmp"))) > 0 {
		t.Error("half a pull is left")
	}
}
