package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/counters"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/model"
)

// idPattern are the ids of containers and tasks: names of files, cgroups and of the runtime's containers.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,149}$`)

// Driver implements driver.Driver. Make it with New.
type Driver struct {
	cfg    Config
	log    *slog.Logger
	crun   bool // the runtime is crun
	link   *keeper.Link
	lock   *os.File // held shared as long as the driver is open, so that no other one sweeps
	groups hierarchies
	parent string // the cgroup of all containers of this directory
	host   machine

	turns turns // one at a time for a container's or a task's id

	mu        sync.Mutex
	sandboxes map[string]*sandbox // that were made or found by this driver, by task
	cgroups   map[string]string   // of containers, by id, as far as they are known
}

var _ driver.Driver = (*Driver)(nil)

// New opens the driver: it connects to the keeper, which it starts if there is none, and clears away what containers
// left behind that nobody knows any more. The error says what the machine lacks (see Available).
func New(ctx context.Context, cfg Config) (*Driver, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	version, err := Available(ctx, cfg.Runtime)
	if err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, crun: strings.HasPrefix(version, crun+" "), log: cfg.Logger, sandboxes: map[string]*sandbox{}, cgroups: map[string]string{}}
	for _, dir := range []string{
		d.cfg.Dir, d.layers(), d.volumes("task"), d.volumes("shared"), d.bundles(), d.tasks(), d.states(),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("oci driver: %w", err)
		}
	}
	if err := d.inspect(); err != nil {
		return nil, fmt.Errorf("oci driver: %w", err)
	}
	if !inMemory(d.cfg.RunDir) {
		d.log.Warn("the directory of what runs is on a disk, where secrets are not meant to be: mount a tmpfs there", "dir", d.cfg.RunDir)
	}
	if d.lock, err = os.OpenFile(filepath.Join(d.cfg.Dir, "driver.lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("oci driver: %w", err)
	}
	d.link, err = keeper.NewLink(ctx, keeper.LinkConfig{
		Dir: filepath.Join(d.cfg.Dir, "keeper"), Command: cfg.Keeper, Flags: cfg.KeeperFlags,
		StartTimeout: cfg.StartTimeout, Logger: cfg.Logger,
	})
	if err == nil {
		err = d.sweepAlone(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("oci driver: %w", err), d.Close())
	}
	return d, nil
}

// complete fills in defaults.
func (cfg *Config) complete() (err error) {
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return err
	}
	if cfg.RunDir == "" {
		cfg.RunDir = "/run/maitred/" + scope(cfg.Dir)
	}
	if cfg.RunDir, err = filepath.Abs(cfg.RunDir); err != nil {
		return err
	}
	if cfg.Runtime == "" {
		if cfg.Runtime, err = FindRuntime(); err != nil {
			return err
		}
	}
	if cfg.Init == "" {
		if cfg.Init, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	if cfg.HostPath == nil {
		cfg.HostPath = anyPath
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// inMemory says whether a directory's files are in memory alone: a runtime's configuration has a container's secrets in
// it, and is there as long as the container lives.
func inMemory(dir string) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return false
	}
	return fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC
}

// scope is a short name of a directory.
func scope(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:5])
}

// inspect looks at what the machine has.
func (d *Driver) inspect() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	d.groups = findHierarchies(string(mounts))
	d.parent = "/maitred-" + scope(d.cfg.Dir)
	caps, err := bounding()
	if err != nil {
		return err
	}
	d.host = machine{
		capabilities: caps, unified: d.groups.unified != "", swap: d.groups.swap(), seccomp: newProfiles().of,
	}
	return nil
}

// bounding are the capabilities that this process and what it starts can have at most.
func bounding() (uint64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if mask, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			return strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		}
	}
	return 0, errors.New("/proc/self/status tells no capabilities")
}

// The directories, see Config.
func (d *Driver) layers() string             { return filepath.Join(d.cfg.Dir, "containers") }
func (d *Driver) layer(id string) string     { return filepath.Join(d.layers(), id) }
func (d *Driver) volumes(kind string) string { return filepath.Join(d.cfg.Dir, "volumes", kind) }
func (d *Driver) bundles() string            { return filepath.Join(d.cfg.RunDir, "containers") }
func (d *Driver) bundle(id string) string    { return filepath.Join(d.bundles(), id) }
func (d *Driver) tasks() string              { return filepath.Join(d.cfg.RunDir, "tasks") }
func (d *Driver) states() string             { return filepath.Join(d.cfg.RunDir, "runtime") }

// Name implements driver.Driver.
func (d *Driver) Name() string { return "oci" }

// Refuse implements driver.Driver.
func (d *Driver) Refuse(def *model.TaskDefinition) string { return Refuse(def) }

// KeeperPID tells the keeper's process id as of the last connection.
func (d *Driver) KeeperPID() int { return d.link.PID() }

// Signal implements driver.Driver: the container's first process gets the signal. As the init process of a pid
// namespace it gets only what it has a handler for.
func (d *Driver) Signal(ctx context.Context, id, signal string) error {
	return d.link.Signal(ctx, id, signal)
}

// Kill implements driver.Driver. It returns when the signals have been sent.
func (d *Driver) Kill(ctx context.Context, id string) error {
	return d.link.Kill(ctx, id)
}

// Remove implements driver.Driver. The keeper removes the container's files; its network, if it has one of its own, and
// its hold on the image go here, and if that is cut short, at the next New.
func (d *Driver) Remove(ctx context.Context, id string) error {
	if !idPattern.MatchString(id) {
		return nil
	}
	defer d.turns.take(id)()
	if err := d.link.Remove(ctx, id); err != nil {
		return err
	}
	return d.discard(ctx, id)
}

// discard removes what there is of a container that the keeper does not know.
func (d *Driver) discard(ctx context.Context, id string) error {
	d.mu.Lock()
	delete(d.cgroups, id)
	d.mu.Unlock()
	errs := []error{d.cfg.Images.Unuse(id), os.RemoveAll(d.bundle(id)), os.RemoveAll(d.layer(id))}
	if d.cfg.Network != nil {
		errs = append(errs, d.cfg.Network.Release(ctx, id))
	}
	return errors.Join(errs...)
}

// List implements driver.Driver. The keeper also knows the processes that hold namespaces.
func (d *Driver) List(ctx context.Context) ([]driver.Status, error) {
	all, err := d.link.List(ctx)
	return slices.DeleteFunc(all, func(s driver.Status) bool { return strings.HasPrefix(s.ID, pausePrefix) }), err
}

// Watch implements driver.Driver.
func (d *Driver) Watch(ctx context.Context, changed func(driver.Status)) error {
	return d.link.Watch(ctx, func(s driver.Status) {
		if !strings.HasPrefix(s.ID, pausePrefix) {
			changed(s)
		}
	})
}

// Logs implements driver.Driver. Standard output and error are one stream, which keeps their order as the program wrote.
func (d *Driver) Logs(ctx context.Context, id string, o driver.LogOptions) iter.Seq2[driver.Line, error] {
	return d.link.Logs(ctx, id, o)
}

// Usage implements driver.Driver, from the files of the containers' cgroups, and what their processes see of the network.
func (d *Driver) Usage(ctx context.Context) (map[string]driver.Usage, error) {
	all, err := d.List(ctx)
	if err != nil {
		return nil, err
	}
	usage := map[string]driver.Usage{}
	networks := counters.NewNamespaces()
	for _, s := range all {
		if s.State != driver.Running {
			continue
		}
		// What has just ended has no cgroup any more, and uses nothing.
		if u, err := d.groups.usage(d.cgroup(s.ID)); err == nil {
			u.Network = networks.Of(s.RuntimeID, "")
			usage[s.ID] = u
		}
	}
	return usage, nil
}

// cgroup tells a container's cgroup; "" if it is not known.
func (d *Driver) cgroup(id string) string {
	d.mu.Lock()
	path, known := d.cgroups[id]
	d.mu.Unlock()
	if known {
		return path
	}
	c, err := readNote(d.bundle(id))
	if err != nil || c.Linux == nil {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cgroups[id] = c.Linux.CgroupsPath
	return c.Linux.CgroupsPath
}

// StopKeeper ends the keeper; it fails while a container runs. The driver is of no use afterwards but to be closed.
func (d *Driver) StopKeeper(ctx context.Context) error {
	if err := d.link.Stop(ctx); err != nil {
		return err
	}
	return d.groups.remove(d.parent) // the next start makes it again
}

// Close implements driver.Driver: the keeper and the containers run on.
func (d *Driver) Close() error {
	var errs []error
	if d.link != nil {
		errs = append(errs, d.link.Close())
	}
	if d.lock != nil {
		// The lock is not left to closing: a child of this process that has yet to execute its program holds a copy.
		errs = append(errs, unix.Flock(int(d.lock.Fd()), unix.LOCK_UN), d.lock.Close())
	}
	return errors.Join(errs...)
}

// sweepAlone sweeps, unless another driver has the directory open: then that one did, and may be starting containers.
func (d *Driver) sweepAlone(ctx context.Context) error {
	fd := int(d.lock.Fd())
	switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		if err := d.sweep(ctx); err != nil {
			return err
		}
	case !errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("lock the driver's directory: %w", err)
	}
	return unix.Flock(fd, unix.LOCK_SH)
}

// turns lets one at a time have an id.
type turns struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	mu      sync.Mutex
	waiters int
}

// take waits for an id's turn; the function it returns ends it.
func (t *turns) take(id string) (release func()) {
	t.mu.Lock()
	if t.held == nil {
		t.held = map[string]*turn{}
	}
	mine := t.held[id]
	if mine == nil {
		mine = &turn{}
		t.held[id] = mine
	}
	mine.waiters++
	t.mu.Unlock()
	mine.mu.Lock()
	return func() {
		mine.mu.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.waiters--; mine.waiters == 0 {
			delete(t.held, id)
		}
	}
}
