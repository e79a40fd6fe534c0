// Package process is the driver that runs a container definition's entryPoint and command as a plain process of this
// machine: a session of its own, supervised, with the environment that it was given and nothing else. There is no
// isolation, and no pretence of any: the program sees the machine's files, network and processes, and its memory limit
// is not enforced.
//
// The processes' parent is not the agent but the machine's keeper (package keeper), which this package starts when there
// is none, and finds again when there is.
package process

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/model"
)

// Config says where and how.
type Config struct {
	// Dir is the keeper's directory: one keeper runs for each. It belongs to this user alone.
	Dir string
	// WorkingDirectory is where containers run that name none, and where relative paths begin; "" is /.
	WorkingDirectory string
	// Keeper is the command that runs keeper.Main, without its flags; nil is this program with the verb keeper.
	Keeper []string
	// KeeperFlags are passed to it, for example --log-size.
	KeeperFlags []string
	// StartTimeout bounds the start of a keeper; 0 is 10 s.
	StartTimeout time.Duration
	Logger       *slog.Logger // nil for none
}

// Driver implements driver.Driver. Make it with New.
type Driver struct {
	cfg  Config
	link *keeper.Link
}

var _ driver.Driver = (*Driver)(nil)

// New connects to the keeper, and starts it if there is none.
func New(ctx context.Context, cfg Config) (*Driver, error) {
	if cfg.WorkingDirectory == "" {
		cfg.WorkingDirectory = "/"
	}
	var err error
	if cfg.WorkingDirectory, err = filepath.Abs(cfg.WorkingDirectory); err != nil {
		return nil, err
	}
	link, err := keeper.NewLink(ctx, keeper.LinkConfig{
		Dir: cfg.Dir, Command: cfg.Keeper, Flags: cfg.KeeperFlags, StartTimeout: cfg.StartTimeout, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("process driver: %w", err)
	}
	return &Driver{cfg: cfg, link: link}, nil
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return "process" }

// KeeperPID tells the keeper's process id as of the last connection.
func (d *Driver) KeeperPID() int { return d.link.PID() }

// Start implements driver.Driver. The definition's Memory is not enforced.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	return d.link.Start(ctx, d.program(spec))
}

// Signal implements driver.Driver: all processes of the container get the signal.
func (d *Driver) Signal(ctx context.Context, id, signal string) error {
	return d.link.Signal(ctx, id, signal)
}

// Kill implements driver.Driver. It returns when the signals have been sent.
func (d *Driver) Kill(ctx context.Context, id string) error {
	return d.link.Kill(ctx, id)
}

// Remove implements driver.Driver; the log goes too.
func (d *Driver) Remove(ctx context.Context, id string) error {
	return d.link.Remove(ctx, id)
}

// List implements driver.Driver.
func (d *Driver) List(ctx context.Context) ([]driver.Status, error) { return d.link.List(ctx) }

// Watch implements driver.Driver.
func (d *Driver) Watch(ctx context.Context, changed func(driver.Status)) error {
	return d.link.Watch(ctx, changed)
}

// Exec implements driver.Driver. It is not tried again when the keeper goes away meanwhile, for it may have run.
func (d *Driver) Exec(ctx context.Context, id string, e driver.Exec) (int, error) {
	c, err := d.link.Client(ctx)
	if err != nil {
		return 0, err
	}
	return c.Exec(ctx, id, e)
}

// Usage implements driver.Driver.
func (d *Driver) Usage(ctx context.Context) (map[string]driver.Usage, error) {
	return d.link.Usage(ctx)
}

// Logs implements driver.Driver. Standard output and error are one stream, which keeps their order as the program wrote.
func (d *Driver) Logs(ctx context.Context, id string, o driver.LogOptions) iter.Seq2[driver.Line, error] {
	return d.link.Logs(ctx, id, o)
}

// Sandboxes implements driver.Driver: processes share nothing that would have to be freed.
func (d *Driver) Sandboxes(context.Context) ([]string, error) { return nil, nil }

// Secure implements driver.Driver: processes have no network of their own.
func (d *Driver) Secure(context.Context, string, []model.FirewallRule) error { return nil }

// Release implements driver.Driver.
func (d *Driver) Release(context.Context, string) error { return nil }

// StopKeeper ends the keeper; it fails while a container runs. The driver is of no use afterwards but to be closed: any
// other call would start a keeper again.
func (d *Driver) StopKeeper(ctx context.Context) error { return d.link.Stop(ctx) }

// Close implements driver.Driver: the keeper and the containers run on.
func (d *Driver) Close() error { return d.link.Close() }

// absolute makes a path of a definition absolute.
func (d *Driver) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.cfg.WorkingDirectory, path)
}
