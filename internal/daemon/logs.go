package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/logs/remote"
	"github.com/maitred/maitred/internal/logs/ship"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
	"github.com/maitred/maitred/internal/store"
)

// expireEvery is how often log events are looked through for those that need not be kept any more.
const expireEvery = time.Hour

// openLogs opens a place where log events are kept: one for what is put by PutLogEvents, one for what this machine's
// containers write, so that a server and an agent that are two processes do not write into the same files.
func (s *server) openLogs(ctx context.Context, roles *roles, name, source string) (*disk.Store, error) {
	kept, err := disk.Open(disk.Config{Dir: filepath.Join(s.cfg.DataDir, "logs", name), Source: source, Log: s.cfg.Log})
	if err != nil {
		return nil, err
	}
	roles.end(kept.Close)
	roles.run(ctx, "retention of "+name+" logs", func(ctx context.Context) error { return s.expireLogs(ctx, kept) })
	return kept, nil
}

// expireLogs deletes what is older than its group keeps it, and groups that have been deleted, until ctx ends.
func (s *server) expireLogs(ctx context.Context, kept *disk.Store) error {
	changed := s.store.Watch(model.KindLogGroup)
	defer changed.Close()
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-changed.C():
			changed.Take()
		}
		if err := kept.Expire(s.keepsLogs); err != nil {
			s.cfg.Log.Warn("old log events could not be deleted", "error", err)
		}
	}
}

// keepsLogs gives the oldest time that a group keeps, in milliseconds since 1970; exists is false for one that has been
// deleted.
func (s *server) keepsLogs(g logs.Group) (from int64, exists bool) {
	record, ok := s.store.View().LogGroup(g.Region, g.Name)
	if !ok || record.CreatedAt.UnixMilli() != g.Created {
		return 0, false
	}
	return control.LogsKeptFrom(record, time.Now()), true
}

// logSources is all places that can be asked for log events at the moment.
func (s *server) logSources() logs.Source {
	list := []logs.Source{s.put}
	if s.kept != nil {
		list = append(list, s.kept)
	}
	for m := range s.store.View().Machines() {
		if m.Connected && m.Peer != nil && (m.ID != s.machine || s.kept == nil) {
			list = append(list, s.logsOf(m.ID))
		}
	}
	return logs.Sources{List: list, Failed: func(err error) {
		s.cfg.Log.Warn("the logs of a machine are left out", "error", err)
	}}
}

// logsOf is what a machine keeps, over its direct line.
func (s *server) logsOf(machine string) *remote.Machine {
	return remote.New(s.peers.Client(), "https://"+machine)
}

// startLogs ships what containers of this machine write, and serves it to servers.
func (s *server) startLogs(ctx context.Context, roles *roles, d driver.Driver, line *peer.Server) error {
	kept, err := s.openLogs(ctx, roles, "machine", s.machine)
	if err != nil {
		return err
	}
	s.kept = kept
	remote.Register(line.Handle, kept, remote.Open(s.logs))
	roles.run(ctx, "shipper of logs", func(ctx context.Context) error {
		return ship.Run(ctx, ship.Config{Driver: d, Store: kept, Target: s.logTarget, Group: s.logGroup, Log: s.cfg.Log})
	})
	return nil
}

// logTarget says where the lines of a container go, if its log driver is awslogs.
func (s *server) logTarget(status driver.Status) (ship.Target, bool) {
	id, name, _, ok := lifecycle.ParseID(status.ID)
	if !ok {
		return ship.Target{}, false
	}
	view := s.store.View()
	for t := range view.TasksOnMachine(s.machine) {
		if model.ShortID(t.ARN) != id {
			continue
		}
		def, ok := view.TaskDefinition(t.TaskDefinition)
		if !ok {
			return ship.Target{}, false
		}
		c := def.Container(name)
		if c == nil || c.Log == nil || c.Log.Driver != awslogs {
			return ship.Target{}, false
		}
		return newLogTarget(t.Task, c, status)
	}
	return ship.Target{}, false
}

const awslogs = "awslogs"

func newLogTarget(t *model.Task, c *model.ContainerDefinition, status driver.Status) (ship.Target, bool) {
	options, err := c.Log.AWSLogs()
	if err != nil {
		return ship.Target{}, false // it was not started
	}
	if options.Region == "" {
		options.Region = arn.ScopeOf(t.ARN).Region
	}
	runtimeID := status.RuntimeID
	if _, err := strconv.Atoi(runtimeID); err == nil || runtimeID == "" {
		runtimeID = status.ID // a pid may come again
	}
	return ship.Target{AWSLogs: options, Stream: options.Stream(c.Name, model.ShortID(t.ARN), runtimeID)}, true
}

// logGroup finds the group that lines go to, and makes it where that is asked for.
func (s *server) logGroup(ctx context.Context, t ship.Target) (logs.Group, int64, bool) {
	record, ok := s.store.View().LogGroup(t.Region, t.Group)
	if !ok && t.Create {
		if err := s.ensureLogGroup(ctx, &t.AWSLogs); err != nil {
			s.cfg.Log.Warn("a log group could not be made", "logGroup", t.Group, "error", err)
			return logs.Group{}, 0, false
		}
		record, ok = s.store.View().LogGroup(t.Region, t.Group)
	}
	if !ok {
		return logs.Group{}, 0, false
	}
	g := logs.Group{Region: record.Region, Name: record.Name, Created: record.CreatedAt.UnixMilli()}
	return g, control.LogsKeptFrom(record, time.Now()), true
}

// groupTimeout bounds the making of a log group.
const groupTimeout = 10 * time.Second

// ensureLogGroup makes a group unless there is one. It is control's record; whoever needs it first makes it, and of two
// who do at the same time one finds that of the other.
func (s *server) ensureLogGroup(ctx context.Context, o *model.AWSLogs) error {
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	_, err := s.store.Update(ctx, func(tx *store.Tx) error {
		return control.EnsureLogGroup(tx, o.Region, o.Group, time.Now().UTC())
	})
	return err
}

// prepareLogs makes sure that what a container writes has somewhere to go, as ECS does: else it is not started.
func (s *server) prepareLogs(ctx context.Context, task *model.Task, spec *driver.Spec) error {
	c := &spec.Definition
	if c.Log == nil || c.Log.Driver != awslogs {
		return nil
	}
	options, err := c.Log.AWSLogs()
	if err != nil {
		return &driver.Failure{Name: "ResourceInitializationError", Err: fmt.Errorf("failed to validate logger args: %w", err)}
	}
	if options.Region == "" {
		options.Region = arn.ScopeOf(task.ARN).Region
	}
	if _, ok := s.store.View().LogGroup(options.Region, options.Group); ok {
		return nil
	}
	if options.Create {
		return s.ensureLogGroup(ctx, &options)
	}
	text := []string{
		"failed to validate logger args", "create stream has been retried 1 times", "failed to create Cloudwatch log stream",
		"ResourceNotFoundException", "The specified log group does not exist.",
	}
	return &driver.Failure{Name: "ResourceInitializationError", Err: errors.New(
		strings.Join(text, ": ") + " (create " + options.Group + " in " + options.Region + ", or set awslogs-create-group to true)")}
}
