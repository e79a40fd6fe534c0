package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// The names of errors ("Stopped tasks error messages").
const (
	cannotPull    = "CannotPullContainerError"
	cannotCreate  = "CannotCreateContainerError"
	cannotStart   = "CannotStartContainerError"
	cannotPrepare = "ResourceInitializationError"
)

// Start implements driver.Driver. It fails with a *driver.Failure only if the container does not run and never will; any
// other error leaves that open, and Start may be called again.
//
// Where nothing is missing it asks the daemon to create and to start, and for nothing else: that there is a container by
// the name already is what the daemon says to the first, and that it runs is its answer to the second.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	// The daemon would start a container again that ended between a look at it and the start, so that of two starts at
	// the same time the second has to see what the first did.
	release, err := d.turn(ctx, spec.ID)
	if err != nil {
		return driver.Status{}, err
	}
	defer release()
	var s driver.Status
	if d.seen(spec.ID) {
		s, err = d.look(ctx, spec.ID)
	} else {
		err = errdefs.ErrNotFound
	}
	if errdefs.IsNotFound(err) {
		s, err = d.make(ctx, &spec)
	}
	if err != nil || s.State != driver.Starting {
		return s, err
	}
	if err := d.run(ctx, spec.ID, s.RuntimeID); err != nil {
		return driver.Status{}, err
	}
	return d.started(s, time.Now()), nil
}

// seen says whether a container was seen alive.
func (d *Driver) seen(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.alive[id]
	return ok
}

// look asks for a container's state.
func (d *Driver) look(ctx context.Context, id string) (driver.Status, error) {
	c, err := d.inspect(ctx, d.name(id))
	if err != nil {
		return driver.Status{}, err
	}
	s := statusOf(&c)
	d.note(s)
	return s, nil
}

// started is the state of a container that the daemon has just started. A watch may have heard of it before, or even of
// its end.
func (d *Driver) started(s driver.Status, now time.Time) driver.Status {
	s.State, s.StartedAt = driver.Running, now
	d.mu.Lock()
	defer d.mu.Unlock()
	known, alive := d.alive[s.ID]
	switch {
	case alive && known.State == driver.Running:
		s.StartedAt = known.StartedAt
	case alive:
		d.alive[s.ID] = s
	}
	return s
}

// turn waits until no other start of an id is under way, and keeps others waiting until released.
func (d *Driver) turn(ctx context.Context, id string) (release func(), err error) {
	mine := make(chan struct{})
	for {
		d.mu.Lock()
		other, busy := d.starting[id]
		if !busy {
			d.starting[id] = mine
		}
		d.mu.Unlock()
		if !busy {
			break
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another start of container %s: %w", id, ctx.Err())
		}
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.starting, id)
		close(mine)
	}, nil
}

// make creates the container, with what it needs and is not there, or finds that it has been created.
func (d *Driver) make(ctx context.Context, spec *driver.Spec) (driver.Status, error) {
	im, known := presume(spec)
	if !known {
		found, err := d.find(ctx, im.name)
		switch {
		case err == nil:
			im = found
		case errdefs.IsNotFound(err):
			return d.makeAfterPull(ctx, spec)
		default:
			return driver.Status{}, failure(cannotPull, err)
		}
	}
	s, err := d.makeOf(ctx, spec, im)
	if noSuchImage(err) {
		return d.makeAfterPull(ctx, spec)
	}
	return s, named(cannotCreate, err)
}

// makeAfterPull pulls the image, unless there is a container that was made of it.
func (d *Driver) makeAfterPull(ctx context.Context, spec *driver.Spec) (driver.Status, error) {
	if s, err := d.look(ctx, spec.ID); !errdefs.IsNotFound(err) {
		return s, err
	}
	im, err := d.fetch(ctx, spec)
	if err != nil {
		return driver.Status{}, failure(cannotPull, err)
	}
	s, err := d.makeOf(ctx, spec, im)
	return s, named(cannotCreate, err)
}

// makeOf creates the container of an image. Its error has no name yet, unless it is about what the task shares.
func (d *Driver) makeOf(ctx context.Context, spec *driver.Spec, im image) (driver.Status, error) {
	in, err := d.enter(ctx, &spec.Sandbox)
	if err != nil {
		return driver.Status{}, err
	}
	options, err := d.create(*spec, im, in)
	if err != nil {
		return driver.Status{}, &driver.Failure{Name: cannotCreate, Err: plain{err}}
	}
	limited, cancel := context.WithTimeout(ctx, d.limits.create)
	defer cancel()
	var created client.ContainerCreateResult
	err = d.claim(limited, options.Name, func(ctx context.Context) error {
		var err error
		created, err = d.client.ContainerCreate(ctx, options)
		return err
	})
	if errdefs.IsConflict(err) { // it has been created, or its name is taken by what is not ours
		s, again := d.look(ctx, spec.ID)
		if errdefs.IsNotFound(again) {
			again = err
		}
		return s, again
	}
	if err != nil {
		return driver.Status{}, timedOut(ctx, err, "created", d.limits.create)
	}
	for _, warning := range created.Warnings {
		d.log.Warn("Docker warns of a container", "container", spec.ID, "warning", warning)
	}
	s := driver.Status{
		ID: spec.ID, State: driver.Starting, RuntimeID: created.ID, Image: im.digest,
		PullStartedAt: im.pullStarted, PullStoppedAt: im.pullStopped,
	}
	d.note(s)
	return s, nil
}

// claim creates a container. It gives a conflict (errdefs.IsConflict) if there is one by the name. While the daemon still
// creates one, for somebody who may have been killed since, the name is taken and there is no container by it; and the
// daemon may fail yet. So that is waited for, limits.taken at most.
func (d *Driver) claim(ctx context.Context, name string, create func(context.Context) error) error {
	patience, cancel := context.WithTimeout(ctx, d.limits.taken)
	defer cancel()
	pause := newPause()
	defer pause.stop()
	for {
		err := create(ctx)
		if !errdefs.IsConflict(err) {
			return err
		}
		_, absent := d.client.ContainerInspect(patience, name, client.ContainerInspectOptions{})
		if !errdefs.IsNotFound(absent) {
			return err
		}
		if pause.wait(patience) != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
}

// run starts a created container. One that cannot be started is removed: it would be started by whoever sees it next.
func (d *Driver) run(ctx context.Context, id, runtimeID string) error {
	limited, cancel := context.WithTimeout(ctx, d.limits.start)
	defer cancel()
	_, err := d.client.ContainerStart(limited, runtimeID, client.ContainerStartOptions{})
	if err == nil {
		return nil
	}
	failed := failure(cannotStart, timedOut(ctx, err, "started", d.limits.start))
	if _, certain := errors.AsType[*driver.Failure](failed); !certain {
		return failed
	}
	if err := d.Remove(context.WithoutCancel(ctx), id); err != nil {
		return fmt.Errorf("%s: %w; and: %w", cannotStart, errors.Unwrap(failed), err)
	}
	return failed
}

// failure gives an error its name if it is the daemon's answer. Where the daemon gave none, or nobody waited for it,
// what came of the call is not known.
func failure(name string, err error) error {
	if client.IsErrConnectionFailed(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errdefs.IsUnavailable(err) {
		return err
	}
	return &driver.Failure{Name: name, Err: plain{err}}
}

// plain is an error without the words that the client puts before all that the daemon says: a reason is long enough.
type plain struct{ error }

func (p plain) Error() string {
	return strings.ReplaceAll(p.error.Error(), "Error response from daemon: ", "")
}

func (p plain) Unwrap() error { return p.error }

// named is failure for an error that may be nil or have a name already.
func named(name string, err error) error {
	if _, ok := errors.AsType[*driver.Failure](err); ok || err == nil {
		return err
	}
	return failure(name, err)
}

// timedOut says it as ECS does when a call of ours took too long; it remains a context.DeadlineExceeded.
func timedOut(ctx context.Context, err error, state string, limit time.Duration) error {
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("DockerTimeoutError: Could not transition to %s; timed out after waiting %v: %w", state, limit, err)
}
