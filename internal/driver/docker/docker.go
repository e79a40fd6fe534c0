// Package docker is the driver that runs containers through a Docker Engine (20.10 or newer) or Podman's socket, on this
// machine. What isolates the containers, carries their output and outlives this program is the daemon.
//
// The daemon may run other things, another maitred's containers among them: all that is looked at or touched here bears
// the label of one scope. A container's whole state is the daemon's, so there is nothing to keep on disk, and nothing to
// adopt after a restart but what List tells.
//
// What the containers of a task share is held by a pause container (network, process and IPC namespace), by a cgroup
// above theirs, which bounds their sum, and by volumes of the daemon. In networkMode awsvpc a task has its address in a
// network of the daemon that is the VPC's.
//
// What it does not do: a signal reaches a container's first process only, as `docker kill` has it. Without root on the
// daemon's own machine the limits of a task bound each of its containers, not their sum, an exec that is cut short runs
// on, and there is no firewall for networkMode awsvpc.
package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// The deadlines of calls without a driver.
const (
	answerTimeout = 3 * time.Second // of a daemon that may be busy; one that is not there is known at once
	quickTimeout  = 30 * time.Second
	importTimeout = 4 * time.Minute
)

// limits are the deadlines of calls to the daemon, none of which is made without one.
type limits struct {
	quick, remove, start, create, pull time.Duration

	taken   time.Duration // a name may be taken for so long with no container by it
	silence time.Duration // a pull that makes no progress for so long has failed
	resync  time.Duration // between two looks of a watch at everything, should an event be lost or the daemon hang
}

// usual has the limits of the Amazon ECS container agent for a start, a create and a pull.
func usual() limits {
	return limits{
		quick: quickTimeout, remove: 2 * time.Minute, start: 3 * time.Minute, create: 4 * time.Minute, pull: 2 * time.Hour,
		taken: 30 * time.Second, silence: time.Minute, resync: 30 * time.Second,
	}
}

// The labels of our containers.
const (
	labelPrefix = "maitred." // of all of them

	labelScope     = "maitred.scope"
	labelID        = "maitred.id"
	labelTask      = "maitred.task" // its ARN
	labelTaskID    = "maitred.task.id"
	labelContainer = "maitred.container"
	labelDigest    = "maitred.digest" // the image's, in its registry

	labelSandbox = "maitred.sandbox" // of what the containers of a task share; these have no id
	labelGateway = "maitred.gateway" // of a pause container with a network of its own
)

// Config says which daemon, and whose containers.
type Config struct {
	// Host is the daemon's address as in DOCKER_HOST; "" is that variable's, or else the usual socket.
	Host string
	// Scope tells this maitred's containers from another's on the same daemon, as its data directory does.
	Scope string
	// VPC are the ranges of addresses of tasks in networkMode awsvpc. The tasks of one range reach each other; subnets
	// outside of all are networks of their own.
	VPC []netip.Prefix
	// Secure sets the firewall of a network namespace, given by a path (network.SecurePath does). Without it, tasks in
	// networkMode awsvpc cannot run.
	Secure func(ctx context.Context, path string, gateway netip.Addr, rules []model.FirewallRule) error
	Log    *slog.Logger // nil for none
}

// Driver implements driver.Driver. Make it with New.
type Driver struct {
	client *client.Client
	scope  string
	prefix string // of the containers' names
	vpc    []netip.Prefix
	secure func(ctx context.Context, path string, gateway netip.Addr, rules []model.FirewallRule) error
	log    *slog.Logger
	limits limits

	imageFlights   flights[image] // by what is asked of an image
	sandboxFlights flights[sandbox]
	pauseFlights   flights[struct{}] // by image
	lanFlights     flights[struct{}]
	daemonFlights  flights[daemon]
	roofless       sync.Once // the operator is told of it

	mu       sync.Mutex
	starting map[string]chan struct{} // closed when the start of an id is over
	alive    map[string]driver.Status // seen, and seen neither ended nor removed; by id
	watches  map[*watch]struct{}
	cgroups  map[string]cgroup // by the daemon's id

	daemon    *daemon // nil until it was asked
	sandboxes map[string]sandbox
	lans      map[string]bool     // that are there, by name
	lingering map[string][]string // released tasks whose volumes are there still, with the ids of who keeps them
}

var _ driver.Driver = (*Driver)(nil)

// New connects to the daemon and agrees on a version of its API.
func New(ctx context.Context, cfg Config) (*Driver, error) {
	if cfg.Scope == "" {
		return nil, errors.New("the docker driver needs a scope, or it would take another's containers for its own")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c, err := connect(ctx, cfg.Host, quickTimeout)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(cfg.Scope))
	return &Driver{
		client: c, scope: cfg.Scope, vpc: cfg.VPC, secure: cfg.Secure, log: cfg.Log, limits: usual(),
		prefix:    "maitred-" + hex.EncodeToString(sum[:4]) + "-",
		starting:  map[string]chan struct{}{},
		alive:     map[string]driver.Status{},
		watches:   map[*watch]struct{}{},
		cgroups:   map[string]cgroup{},
		sandboxes: map[string]sandbox{},
		lans:      map[string]bool{},
		lingering: map[string][]string{},
	}, nil
}

// Answers says whether a daemon answers where DOCKER_HOST says, or else at the usual socket, and its version. It takes
// 3 s at most: a busy daemon is no reason to run programs without it.
func Answers(ctx context.Context) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c, err := connect(ctx, "", answerTimeout)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	v, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", fmt.Errorf("ask Docker for its version: %w", err)
	}
	return v.Version, nil
}

// connect makes a client, with the variables for TLS honoured, whose API version is agreed on: a fixed one of the
// environment would only make a daemon refuse it.
func connect(ctx context.Context, host string, timeout time.Duration) (*client.Client, error) {
	options := []client.Opt{client.WithTLSClientConfigFromEnv(), client.WithHostFromEnv()}
	if host != "" {
		options[1] = client.WithHost(host)
	}
	c, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("the address of Docker: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pong, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	switch {
	case err != nil:
		err = fmt.Errorf("reach Docker at %s: %w", c.DaemonHost(), err)
	case pong.OSType != "" && pong.OSType != "linux":
		err = fmt.Errorf("the Docker at %s runs %s containers, and maitred runs Linux containers", c.DaemonHost(), pong.OSType)
	default:
		return c, nil
	}
	_ = c.Close()
	return nil, err
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return "docker" }

// Refuse implements driver.Driver.
func (d *Driver) Refuse(def *model.TaskDefinition) string { return Refuse(def) }

// Close implements driver.Driver.
func (d *Driver) Close() error {
	d.dropLANs()
	return d.client.Close()
}

// name is the container's name for the daemon: readable, and no other id's. A name is limited in its letters, an id is
// not.
func (d *Driver) name(id string) string { return d.prefix + safeName(id) }

// safeName is an id in the letters that names may have.
func safeName(id string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '-'
	}, id)
	if safe != id {
		sum := sha256.Sum256([]byte(id))
		safe += "." + hex.EncodeToString(sum[:8])
	}
	return safe
}

// inspect asks the daemon for a container. There is none (errdefs.IsNotFound) if one of that name is not ours.
func (d *Driver) inspect(ctx context.Context, nameOrID string) (container.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limits.start) // the daemon lets it wait while the container starts
	defer cancel()
	found, err := d.client.ContainerInspect(ctx, nameOrID, client.ContainerInspectOptions{})
	if err != nil {
		return container.InspectResponse{}, fmt.Errorf("inspect container %s: %w", nameOrID, err)
	}
	c := found.Container
	if c.Config == nil || c.State == nil || c.Config.Labels[labelScope] != d.scope || c.Config.Labels[labelID] == "" {
		return container.InspectResponse{}, fmt.Errorf("container %s is not this maitred's: %w", nameOrID, errdefs.ErrNotFound)
	}
	return c, nil
}

// note keeps what was seen of a container, so that its vanishing is noticed.
func (d *Driver) note(s driver.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.State == driver.Exited {
		delete(d.alive, s.ID)
		return
	}
	d.alive[s.ID] = s
}
