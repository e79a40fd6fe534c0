//go:build !linux

package keeper

import (
	"context"
	"errors"
	"net"
)

// errLinux is what this package says elsewhere: it needs Linux's subreapers, pidfds and /proc.
var errLinux = errors.New("the process driver needs Linux")

const shimVerb = "shim"

func closeInherited(bool) {}

func shim() int { return 1 }

// Run is the keeper; it needs Linux.
func Run(Config) error { return errLinux }

func dial(context.Context, string) (net.Conn, error) { return nil, errLinux }
