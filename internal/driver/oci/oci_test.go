//go:build linux

package oci_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/drivertest"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/driver/oci"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// TestMain makes the test binary the keeper.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "keeper" {
		os.Exit(keeper.Main(os.Args[2:], os.Stderr))
	}
	if len(os.Args) > 3 && os.Args[1] == "agent" {
		agent(os.Args[2], os.Args[3])
	}
	if os.Getenv(ownView) != "" {
		if err := hideUnified(); err != nil {
			os.Stderr.WriteString("hide cgroups of version 2: " + err.Error() + "\n")
			os.Exit(1)
		}
	}
	code := m.Run()
	if program.path != "" {
		_ = os.RemoveAll(filepath.Dir(program.path))
	}
	os.Exit(code)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	needs(t)
	drivertest.Run(t, func(t *testing.T) drivertest.Harness { return newWorld(t).harness() })
}

// needs skips the test on a machine that cannot run containers.
func needs(t testing.TB) {
	t.Helper()
	testneeds.Root(t)
	testneeds.Command(t, filepath.Base(runtimeUnderTest()))
}

// runtimeUnderTest is the program that runs containers: runc, but for TestCrun.
func runtimeUnderTest() string { return cmp.Or(os.Getenv(otherRuntime), "runc") }

// program is the test program, built once.
var program struct {
	once sync.Once
	path string
	err  error
}

func buildProgram(t testing.TB) string {
	t.Helper()
	program.once.Do(func() {
		dir, err := os.MkdirTemp("", "oci-program") //nolint:usetesting // all tests share it
		if err != nil {
			program.err = err
			return
		}
		_ = os.Chmod(dir, 0o755)
		program.path = filepath.Join(dir, "program")
		build := exec.Command("go", "build", "-o", program.path, "./testdata/program")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if output, err := build.CombinedOutput(); err != nil {
			program.err = errors.New(err.Error() + "\n" + string(output))
		}
	})
	if program.err != nil {
		t.Fatalf("build the test program: %v", program.err)
	}
	return program.path
}

// images is a store of one image, made of directories.
type images struct {
	image image.Image

	mu      sync.Mutex
	holders map[string]bool
}

func (i *images) Pull(_ context.Context, req image.Request) (image.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if req.Ref != i.image.Ref {
		return image.Image{}, errors.New("image " + req.Ref + " does not exist")
	}
	i.holders[req.Holder] = true
	return i.image, nil
}

func (i *images) Unuse(holder string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.holders, holder)
	return nil
}

func (i *images) Holders() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := make([]string, 0, len(i.holders))
	for h := range i.holders {
		list = append(list, h)
	}
	slices.Sort(list)
	return list
}

// world is a directory of containers; its keeper is stopped when the test ends.
type world struct {
	cfg    oci.Config
	images *images
	group  string // the cgroup of its containers
}

// newWorld makes an image of two layers: the program, and a list of users.
func newWorld(t testing.TB) *world {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lower, upper := filepath.Join(dir, "lower"), filepath.Join(dir, "upper")
	text, err := os.ReadFile(buildProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(lower, "program"), string(text), 0o755)
	put(t, upper+"/etc/passwd", "root:x:0:0::/root:/bin/sh\nweb:x:1000:100::/home/web:/bin/sh\n", 0o644)
	put(t, upper+"/etc/group", "root:x:0:\nusers:x:100:\nextra:x:200:web\n", 0o644)
	put(t, filepath.Join(upper, "readme"), "of the image\n", 0o644)
	for _, sub := range []string{"", "lower", "upper"} {
		if err := os.Chmod(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{images: &images{holders: map[string]bool{}, image: testImage(dir)}, cfg: testConfig(dir, self, buildProgram(t))}
	w.cfg.Images = w.images
	sum := sha256.Sum256([]byte(w.cfg.Dir))
	w.group = "maitred-" + hex.EncodeToString(sum[:5])
	t.Cleanup(func() { w.end(t) })
	return w
}

// testImage is the image whose layers are in a directory.
func testImage(dir string) image.Image {
	return image.Image{
		Ref: "test", Digest: "sha256:0123", Layers: []string{filepath.Join(dir, "lower"), filepath.Join(dir, "upper")},
		Config: image.RunConfig{Entrypoint: []string{"/program"}, Env: []string{"FROM=image"}},
	}
}

// testConfig is that of a world in a directory, without images.
func testConfig(dir, self, program string) oci.Config {
	return oci.Config{
		Dir: filepath.Join(dir, "oci"), RunDir: filepath.Join(dir, "run"), Keeper: []string{self, "keeper"}, Init: program,
		Runtime: os.Getenv(otherRuntime),
	}
}

func put(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// connect makes a driver.
func (w *world) connect(t testing.TB) *oci.Driver {
	t.Helper()
	d, err := oci.New(t.Context(), w.cfg)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	return d
}

// end kills what a failed test left, and stops the keeper if the test has not.
func (w *world) end(t testing.TB) {
	keeperDir := filepath.Join(w.cfg.Dir, "keeper")
	if _, err := os.Stat(filepath.Join(keeperDir, "keeper.sock")); err != nil {
		return
	}
	if log, err := os.ReadFile(filepath.Join(keeperDir, "keeper.log")); err == nil && t.Failed() {
		t.Logf("the keeper's log:\n%s", log)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience) // the test's own has ended
	defer cancel()
	d, err := oci.New(ctx, w.cfg)
	if err != nil {
		t.Errorf("New = %v", err)
		return
	}
	defer func() { _ = d.Close() }()
	w.clear(ctx, t, d)
	if err := d.StopKeeper(ctx); err != nil {
		t.Errorf("StopKeeper = %v", err)
	}
	for _, dir := range w.groups() {
		_ = os.Remove(dir)
	}
}

// clear kills and removes all containers and releases all tasks.
func (w *world) clear(ctx context.Context, t testing.TB, d *oci.Driver) {
	t.Helper()
	all, err := d.List(ctx)
	if err != nil {
		t.Errorf("List = %v", err)
	}
	for _, s := range all {
		if err := d.Kill(ctx, s.ID); err != nil {
			t.Errorf("Kill(%s) = %v", s.ID, err)
		}
		awaitEnd(ctx, t, d, s.ID)
		if err := d.Remove(ctx, s.ID); err != nil {
			t.Errorf("Remove(%s) = %v", s.ID, err)
		}
	}
	tasks, err := d.Sandboxes(ctx)
	if err != nil {
		t.Errorf("Sandboxes = %v", err)
	}
	for _, task := range tasks {
		if err := d.Release(ctx, task); err != nil {
			t.Errorf("Release(%s) = %v", task, err)
		}
	}
}

// awaitEnd waits by the watch for a container's end.
func awaitEnd(ctx context.Context, t testing.TB, d driver.Driver, id string) driver.Status {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var end driver.Status
	err := d.Watch(ctx, func(s driver.Status) {
		if s.ID == id && s.State == driver.Exited && ctx.Err() == nil {
			end = s
			cancel()
		}
	})
	if end.ID == "" {
		t.Fatalf("the end of container %s was not seen: %v", id, err)
	}
	return end
}

// groups are the directories of the containers' cgroup.
func (w *world) groups() []string {
	found, _ := filepath.Glob("/sys/fs/cgroup/*/" + w.group)
	one, _ := filepath.Glob("/sys/fs/cgroup/" + w.group)
	return append(found, one...)
}

// wantNothing counts what is left of containers: files, cgroups, mounts and holds on images.
func (w *world) wantNothing(t testing.TB) {
	t.Helper()
	var left []string
	for _, pattern := range []string{
		w.cfg.Dir + "/containers/*", w.cfg.Dir + "/volumes/task/*", w.cfg.Dir + "/keeper/logs/*",
		w.cfg.RunDir + "/containers/*", w.cfg.RunDir + "/tasks/*", w.cfg.RunDir + "/runtime/*",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	for _, dir := range w.groups() {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				left = append(left, filepath.Join(dir, e.Name()))
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, filepath.Dir(w.cfg.Dir)) {
			left = append(left, line)
		}
	}
	if left = append(left, w.images.Holders()...); len(left) > 0 {
		t.Errorf("left over: %q, want nothing", left)
	}
}

func (w *world) harness() drivertest.Harness {
	return drivertest.Harness{
		Connect: func(t *testing.T) driver.Driver { return w.connect(t) },
		Container: func(words ...string) model.ContainerDefinition {
			return model.ContainerDefinition{Name: "test", Image: "test", Command: words}
		},
		Command: func(words ...string) []string { return append([]string{"/program"}, words...) },
		Absent:  model.ContainerDefinition{Name: "test", Image: "test", EntryPoint: []string{"/absent"}},
		Leaks:   func(t *testing.T) { w.wantNothing(t) },
		Dir:     "/",
	}
}
