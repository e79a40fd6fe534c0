//go:build !linux

package keeper

import "context"

// noKeeper, startKeeper and reap are for Linux; elsewhere Dial says so, and nothing is started.
func noKeeper(error) bool { return false }

func (l *Link) startKeeper(context.Context) (*Client, error) { return nil, errLinux }

func (l *Link) reap(int, bool) {}
