package keeper

import (
	"context"
	"fmt"

	"github.com/maitred/maitred/internal/driver"
)

// Exec runs a command with the environment, directory and user of a running container. When ctx ends first, the command
// is killed with all that it started.
func (c *Client) Exec(ctx context.Context, id string, e driver.Exec) (int, error) {
	if !c.streams && (e.Terminal || e.Stdin != nil) {
		return 0, fmt.Errorf("exec in %s: the keeper %d is of an older version, which knows neither input nor terminals; "+
			"it ends when no container runs", id, c.pid)
	}
	s, err := openStreams(&e)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", id, err)
	}
	resp, err := c.callWith(ctx, request{
		Op: opExec, ID: id, Command: e.Command, Terminal: e.Terminal, Files: len(s.theirs),
	}, s)
	s.finish()
	if len(resp.Output) > 0 && e.Stdout != nil { // of an older keeper
		_, _ = e.Stdout.Write(resp.Output)
	}
	return resp.Exit, err
}
