package process

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/maitred/maitred/internal/driver/keeper"
)

var errClosed = errors.New("the process driver is closed")

// absolute makes a path of a definition absolute.
func (d *Driver) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.cfg.WorkingDirectory, path)
}

// connect gives the connection to the keeper. If it is broken, it makes another one; if there is no keeper, a keeper.
func (d *Driver) connect(ctx context.Context) (*keeper.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	if d.client != nil {
		select {
		case <-d.client.Broken():
			_ = d.client.Close()
		default:
			return d.client, nil
		}
	}
	d.reap(0, false)
	ctx, cancel := context.WithTimeout(ctx, d.cfg.StartTimeout)
	defer cancel()
	client, err := keeper.Dial(ctx, d.cfg.Dir)
	if noKeeper(err) {
		client, err = d.startKeeper(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("process driver: %w", err)
	}
	d.client = client
	return client, nil
}
