package keeper

import (
	"context"
	"errors"
)

// errMoved says that a container ended, or its pid came to mean another process, while it was looked at.
var errMoved = errors.New("the container does not run any more")

// At calls a function with the pid of a running container's first process and the directory that its program began in,
// to take hold of something of it. After that the process is sure to have been the container's all the time.
func (l *Link) At(ctx context.Context, id string, hold func(pid int, dir string) error) error {
	ask := func() (pid int, dir string, err error) {
		err = l.do(ctx, func(c *Client) (err error) {
			pid, dir, err = c.Place(ctx, id)
			return err
		})
		return pid, dir, err
	}
	pid, dir, err := ask()
	if err != nil {
		return err
	}
	held := hold(pid, dir)
	again, _, err := ask()
	if err == nil && again != pid {
		err = errMoved
	}
	return errors.Join(err, held)
}
