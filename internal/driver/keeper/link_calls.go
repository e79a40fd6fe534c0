package keeper

import (
	"context"

	"github.com/maitred/maitred/internal/driver"
)

// Start is Client.Start, over a new connection if the present one breaks; so are the calls below.
func (l *Link) Start(ctx context.Context, spec Spec) (status driver.Status, err error) {
	err = l.do(ctx, func(c *Client) error {
		status, err = c.Start(ctx, spec)
		return err
	})
	return status, err
}

// Signal is Client.Signal.
func (l *Link) Signal(ctx context.Context, id, signal string) error {
	return l.do(ctx, func(c *Client) error { return c.Signal(ctx, id, signal) })
}

// Kill is Client.Kill.
func (l *Link) Kill(ctx context.Context, id string) error {
	return l.do(ctx, func(c *Client) error { return c.Kill(ctx, id) })
}

// Remove is Client.Remove.
func (l *Link) Remove(ctx context.Context, id string) error {
	return l.do(ctx, func(c *Client) error { return c.Remove(ctx, id) })
}

// List is Client.List.
func (l *Link) List(ctx context.Context) (all []driver.Status, err error) {
	err = l.do(ctx, func(c *Client) error {
		all, err = c.List(ctx)
		return err
	})
	return all, err
}

// Usage is Client.Usage.
func (l *Link) Usage(ctx context.Context) (usage map[string]driver.Usage, err error) {
	err = l.do(ctx, func(c *Client) error {
		usage, err = c.Usage(ctx)
		return err
	})
	return usage, err
}

// Watch is Watch of the link's keeper, which is started if there is none.
func (l *Link) Watch(ctx context.Context, changed func(driver.Status)) error {
	if _, err := l.Client(ctx); err != nil {
		return err
	}
	return Watch(ctx, l.cfg.Dir, changed)
}
