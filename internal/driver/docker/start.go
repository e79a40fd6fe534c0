package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// The names of errors ("Stopped tasks error messages").
const (
	cannotPull   = "CannotPullContainerError"
	cannotCreate = "CannotCreateContainerError"
	cannotStart  = "CannotStartContainerError"
)

// Start implements driver.Driver. It fails with a *driver.Failure only if the container does not run and never will; any
// other error leaves that open, and Start may be called again.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	// The daemon would start a container again that ended between a look at it and the start, so that of two starts at
	// the same time the second has to see what the first did.
	release, err := d.turn(ctx, spec.ID)
	if err != nil {
		return driver.Status{}, err
	}
	defer release()
	c, err := d.inspect(ctx, d.name(spec.ID))
	if errdefs.IsNotFound(err) {
		c, err = d.make(ctx, spec)
	}
	if err != nil {
		return driver.Status{}, err
	}
	if s := statusOf(&c); s.State != driver.Starting {
		return s, nil
	}
	if err := d.run(ctx, spec.ID, c.ID); err != nil {
		return driver.Status{}, err
	}
	if c, err = d.inspect(ctx, c.ID); err != nil {
		return driver.Status{}, err
	}
	s := statusOf(&c)
	d.note(s)
	return s, nil
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

// make creates the container, its image pulled if need be.
func (d *Driver) make(ctx context.Context, spec driver.Spec) (container.InspectResponse, error) {
	var none container.InspectResponse
	digest, err := d.image(ctx, spec.Definition.Image)
	if err != nil {
		return none, failure(cannotPull, err)
	}
	options, err := d.create(spec, digest)
	if err != nil {
		return none, &driver.Failure{Name: cannotCreate, Err: err}
	}
	limited, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	created, err := d.client.ContainerCreate(limited, options)
	if err != nil && !errdefs.IsConflict(err) { // on a conflict, another process was faster
		return none, failure(cannotCreate, timedOut(ctx, err, "created", createTimeout))
	}
	for _, warning := range created.Warnings {
		d.log.Warn("Docker warns of a container", "container", spec.ID, "warning", warning)
	}
	c, again := d.inspect(ctx, options.Name)
	if err != nil && errdefs.IsNotFound(again) {
		return none, failure(cannotCreate, err) // the conflict is with what is not ours
	}
	return c, again
}

// run starts a created container. One that cannot be started is removed: it would be started by whoever sees it next.
func (d *Driver) run(ctx context.Context, id, runtimeID string) error {
	limited, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	_, err := d.client.ContainerStart(limited, runtimeID, client.ContainerStartOptions{})
	if err == nil {
		return nil
	}
	failed := failure(cannotStart, timedOut(ctx, err, "started", startTimeout))
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
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return &driver.Failure{Name: name, Err: err}
}

// timedOut says it as ECS does when a call of ours took too long; it remains a context.DeadlineExceeded.
func timedOut(ctx context.Context, err error, state string, limit time.Duration) error {
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("DockerTimeoutError: Could not transition to %s; timed out after waiting %v: %w", state, limit, err)
}

// image looks for an image, pulls it if it is not here, and gives its digest in its registry, "" if it is of none.
func (d *Driver) image(ctx context.Context, name string) (digest string, err error) {
	if digest, err = d.digest(ctx, name); !errdefs.IsNotFound(err) {
		return digest, err
	}
	if err := d.pull(ctx, name); err != nil {
		return "", err
	}
	return d.digest(ctx, name)
}

func (d *Driver) digest(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, quickTimeout)
	defer cancel()
	found, err := d.client.ImageInspect(ctx, name)
	if err != nil {
		return "", err
	}
	return digestOf(name, found.RepoDigests), nil
}

// digestOf picks an image's digest under the name that it was asked for by.
func digestOf(name string, digests []string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "" // an image's id
	}
	for _, d := range digests {
		repository, digest, _ := strings.Cut(d, "@")
		if r, err := reference.ParseNormalizedNamed(repository); err == nil && r.Name() == named.Name() {
			return digest
		}
	}
	return ""
}

// The ends of a pull that takes too long.
var (
	errSilence = fmt.Errorf("the pull made no progress for %v", pullSilence)
	errTooLong = fmt.Errorf("the pull took longer than %v", pullTimeout)
)

func (d *Driver) pull(ctx context.Context, name string) error {
	d.log.Info("pulling an image", "image", name)
	limited, cancel := context.WithTimeoutCause(ctx, pullTimeout, errTooLong)
	defer cancel()
	limited, giveUp := context.WithCancelCause(limited)
	defer giveUp(nil)
	silence := time.AfterFunc(pullSilence, func() { giveUp(errSilence) })
	defer silence.Stop()
	progress, err := d.client.ImagePull(limited, name, client.ImagePullOptions{})
	if err != nil {
		return cause(ctx, limited, err)
	}
	for message, err := range progress.JSONMessages(limited) {
		silence.Reset(pullSilence)
		if err != nil {
			return cause(ctx, limited, err)
		}
		if message.Error != nil {
			return message.Error
		}
	}
	return cause(ctx, limited, nil)
}

// cause is why a limited context ended, if its limit did it, and else err.
func cause(ctx, limited context.Context, err error) error {
	if ctx.Err() == nil && limited.Err() != nil {
		return context.Cause(limited)
	}
	return err
}
