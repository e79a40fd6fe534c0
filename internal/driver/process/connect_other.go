//go:build !linux

package process

import (
	"context"

	"github.com/maitred/maitred/internal/driver/keeper"
)

// noKeeper, startKeeper and reap are for Linux; elsewhere Dial says so, and nothing is started.
func noKeeper(error) bool { return false }

func (d *Driver) startKeeper(context.Context) (*keeper.Client, error) { return nil, errClosed }

func (d *Driver) reap(int, bool) {}
