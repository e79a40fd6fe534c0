package docker

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// Signal implements driver.Driver. The signal reaches the container's first process.
func (d *Driver) Signal(ctx context.Context, id, signal string) error {
	if signal == "" {
		c, err := d.inspect(ctx, d.name(id))
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if signal = c.Config.StopSignal; signal == "" { // an image may have one
			signal = "SIGTERM"
		}
	}
	if _, err := d.send(ctx, id, signal); err != nil {
		return fmt.Errorf("signal container %s: %w", id, err)
	}
	return nil
}

// send signals a container and says whether it ran; what does not run, or is not there, needs no signal.
func (d *Driver) send(ctx context.Context, id, signal string) (ran bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.limits.start) // the daemon lets it wait while the container starts
	defer cancel()
	_, err = d.client.ContainerKill(ctx, d.name(id), client.ContainerKillOptions{Signal: signal})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return false, nil
	}
	return err == nil, err
}

// Kill implements driver.Driver. A container that was created and not started is removed, so that nobody starts it.
func (d *Driver) Kill(ctx context.Context, id string) error {
	for {
		ran, err := d.send(ctx, id, "SIGKILL")
		if err != nil {
			return fmt.Errorf("kill container %s: %w", id, err)
		}
		if ran {
			return nil
		}
		c, err := d.inspect(ctx, d.name(id))
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if statusOf(&c).State == driver.Exited {
			return nil
		}
		// If it was started meanwhile, the daemon refuses, and it has to be killed after all.
		if err := d.remove(ctx, id); err == nil || !errdefs.IsConflict(err) {
			return err
		}
	}
}

// Remove implements driver.Driver; the log goes too.
func (d *Driver) Remove(ctx context.Context, id string) error {
	remember := d.forget(id)
	if err := d.remove(ctx, id); err != nil {
		remember()
		return err
	}
	return d.settle(ctx, id)
}

// forget has watches say nothing of the removal of a container, whose caller knows of it; the function that it returns
// is for when it was not removed.
func (d *Driver) forget(id string) (remember func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, alive := d.alive[id]
	delete(d.alive, id)
	for w := range d.watches {
		w.forgotten[id] = true
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if alive {
			d.alive[id] = s
		}
		for w := range d.watches {
			delete(w.forgotten, id)
		}
	}
}

// remove removes a container with its unnamed volumes; a running one it does not.
func (d *Driver) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, d.limits.remove)
	defer cancel()
	_, err := d.client.ContainerRemove(ctx, d.name(id), client.ContainerRemoveOptions{RemoveVolumes: true})
	if err == nil || errdefs.IsNotFound(err) || removing(err) {
		return nil
	}
	return fmt.Errorf("remove container %s: %w", id, err)
}

// removing says whether an error is that a container is being removed already.
func removing(err error) bool {
	return errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress")
}
