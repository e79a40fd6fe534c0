//go:build !linux

package keeper

import (
	"context"
	"errors"
	"net"

	"github.com/maitred/maitred/internal/driver"
)

// errLinux is what this package says elsewhere: it needs Linux's subreapers, pidfds and /proc.
var errLinux = errors.New("the process driver needs Linux")

const shimVerb = "shim"

func closeInherited(bool) {}

func shim() int { return 1 }

// Run is the keeper; it needs Linux.
func Run(Config) error { return errLinux }

// streams are a command's; there are none here.
type streams struct{ theirs []int }

func (s *streams) handedOver() {}

func writeFrame(net.Conn, []byte, []int) error { return errLinux }

// Exec needs Linux.
func (c *Client) Exec(context.Context, string, driver.Exec) (int, error) { return 0, errLinux }

func dial(context.Context, string) (net.Conn, error) { return nil, errLinux }
