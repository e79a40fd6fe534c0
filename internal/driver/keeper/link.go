package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// errLinkClosed is what a closed Link says.
var errLinkClosed = errors.New("the connection to the keeper was closed")

// LinkConfig says which keeper is meant and how it is started.
type LinkConfig struct {
	Dir          string        // of the keeper
	Command      []string      // what runs Main, without its flags; nil is this program with the verb keeper
	Flags        []string      // for it, for example --log-size
	StartTimeout time.Duration // of a keeper's start; 0 is 10 s
	Logger       *slog.Logger  // nil for none
}

// Link is a driver's connection to the keeper of a directory: made again when it broke, the keeper started when there
// is none. All methods may be called at the same time from several goroutines.
type Link struct {
	cfg LinkConfig
	log *slog.Logger

	mu      sync.Mutex
	client  *Client // nil before the first call
	spawned []int   // pids of keepers that this process started and has not waited for
	closed  bool
}

// NewLink connects to the keeper, and starts it if there is none.
func NewLink(ctx context.Context, cfg LinkConfig) (*Link, error) {
	if cfg.StartTimeout <= 0 {
		cfg.StartTimeout = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Command == nil {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		cfg.Command = []string{self, "keeper"}
	}
	var err error
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	l := &Link{cfg: cfg, log: cfg.Logger}
	if _, err := l.Client(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Client gives the connection to the keeper. If it is broken, it makes another one; if there is no keeper, a keeper.
func (l *Link) Client(ctx context.Context) (*Client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errLinkClosed
	}
	if l.client != nil {
		select {
		case <-l.client.Broken():
			_ = l.client.Close()
		default:
			return l.client, nil
		}
	}
	l.reap(0, false)
	ctx, cancel := context.WithTimeout(ctx, l.cfg.StartTimeout)
	defer cancel()
	client, err := Dial(ctx, l.cfg.Dir)
	if noKeeper(err) {
		client, err = l.startKeeper(ctx)
	}
	if err != nil {
		return nil, err
	}
	l.client = client
	return client, nil
}

// do makes a call that is idempotent; when the connection breaks, once more over a new one.
func (l *Link) do(ctx context.Context, call func(*Client) error) error {
	c, err := l.Client(ctx)
	if err != nil {
		return err
	}
	if err = call(c); !errors.Is(err, ErrBroken) {
		return err
	}
	l.log.Warn("the keeper is connected again", "reason", err)
	if c, err = l.Client(ctx); err != nil {
		return err
	}
	return call(c)
}

// PID tells the keeper's process id as of the last connection; 0 before the first.
func (l *Link) PID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		return 0
	}
	return l.client.PID()
}

// Stop ends the keeper; it fails while a container runs. The link is of no use afterwards but to be closed: any other
// call would start a keeper again.
func (l *Link) Stop(ctx context.Context) error {
	c, err := l.Client(ctx)
	if err != nil {
		return err
	}
	if err := c.Stop(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reap(c.PID(), true)
	return nil
}

// Close lets go of the connection: the keeper and the containers run on.
func (l *Link) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.reap(0, false)
	if l.client == nil {
		return nil
	}
	_ = l.client.Close() // it may be broken, and closed, already
	return nil
}
