package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// The reasons of an end that the exit code does not tell, in ECS's words where it has any ("Stopped tasks error
// messages").
const (
	reasonMemory   = "OutOfMemoryError: Container killed due to memory usage"
	reasonVanished = "ContainerVanishedError: The container has been removed from Docker"
)

// inspections is how many containers are looked at at the same time.
const inspections = 8

// List implements driver.Driver, in the order of the ids.
func (d *Driver) List(ctx context.Context) ([]driver.Status, error) {
	found, err := d.summaries(ctx, client.Filters{})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	seen, err := d.inspectAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []driver.Status
	for _, c := range seen {
		if c != nil { // not gone since it was listed
			all = append(all, statusOf(c))
		}
	}
	slices.SortFunc(all, func(a, b driver.Status) int { return strings.Compare(a.ID, b.ID) })
	for _, s := range all {
		d.note(s)
	}
	return all, nil
}

// summaries lists the containers of our scope.
func (d *Driver) summaries(ctx context.Context, filters client.Filters) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	found, err := d.client.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: filters.Add("label", labelScope+"="+d.scope, labelID), // what tasks share has no id
	})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	return found.Items, nil
}

// inspectAll looks at containers, several at a time, and gives nil for those that are not there.
func (d *Driver) inspectAll(ctx context.Context, ids []string) ([]*container.InspectResponse, error) {
	found := make([]*container.InspectResponse, len(ids))
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	room := make(chan struct{}, inspections)
	for i, id := range ids {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			c, err := d.inspect(ctx, id)
			switch {
			case err == nil:
				found[i] = &c
			case !errdefs.IsNotFound(err):
				errs[i] = err
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// statusOf is a container's state in the driver's terms.
func statusOf(c *container.InspectResponse) driver.Status {
	s := driver.Status{
		ID: c.Config.Labels[labelID], RuntimeID: c.ID, Image: c.Config.Labels[labelDigest],
		StartedAt: moment(c.State.StartedAt), ExitedAt: moment(c.State.FinishedAt),
	}
	s.State = stateOf(c.State.Status)
	if c.State.Running { // though it may be on its way to be removed
		s.State = driver.Running
	}
	switch s.State {
	case driver.Starting:
		if c.State.Error != "" {
			s.State, s.Reason = driver.Exited, cannotStart+": "+c.State.Error
		}
	case driver.Running:
		s.ExitedAt = time.Time{}
	case driver.Exited:
		s.Reason = reasonOf(c.State)
		if !s.StartedAt.IsZero() {
			s.ExitCode = new(c.State.ExitCode)
		}
	}
	return s
}

// stateOf is a state of Docker's in the driver's terms.
func stateOf(state container.ContainerState) driver.State {
	switch state {
	case container.StateCreated:
		return driver.Starting
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return driver.Running
	default:
		return driver.Exited
	}
}

// reasonOf says why a container ended, as far as the exit code does not.
func reasonOf(s *container.State) string {
	switch {
	case s.OOMKilled && s.ExitCode != 0:
		return reasonMemory
	case s.Error != "":
		return cannotStart + ": " + s.Error
	}
	return ""
}

// moment reads the daemon's time; year 1 is its "never".
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// same compares two states.
func same(a, b driver.Status) bool {
	x, y := a.ExitCode, b.ExitCode
	a.ExitCode, b.ExitCode = nil, nil
	return a == b && (x == nil) == (y == nil) && (x == nil || *x == *y)
}
