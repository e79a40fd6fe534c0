package etcd

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// bridge passes what etcd logs with zap, from warnings on, to slog.
type bridge struct {
	log *slog.Logger
	// closing, if set, says that what follows is only the noise of an orderly stop.
	closing *atomic.Bool
}

// usual are warnings of etcd about what is meant to be as it is.
func usual(message string) bool {
	switch message {
	case "simple token is not cryptographically signed", // there are no users
		"Failed to detect schema version", "failed to update storage version": // a new member, before its first commit
		return true
	}
	return strings.HasPrefix(message, "Running http and grpc server on single port")
}

// Enabled implements zapcore.Core.
func (bridge) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{log: slog.New(b.log.Handler().WithAttrs(attributes(fields))), closing: b.closing}
}

// Check implements zapcore.Core.
func (b bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	fatal := e.Level > zapcore.ErrorLevel
	if !b.Enabled(e.Level) || usual(e.Message) || !fatal && b.closing != nil && b.closing.Load() {
		return c
	}
	return c.AddCore(e, b)
}

// Write implements zapcore.Core.
func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level >= zapcore.ErrorLevel {
		level = slog.LevelError
	}
	b.log.LogAttrs(context.Background(), level, "etcd", append(attributes(fields), slog.String("message", e.Message))...)
	return nil
}

// Sync implements zapcore.Core.
func (bridge) Sync() error { return nil }

func attributes(fields []zapcore.Field) []slog.Attr {
	list := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		e := zapcore.NewMapObjectEncoder()
		f.AddTo(e)
		for key, value := range e.Fields { // one, but for errors that have details
			list = append(list, slog.Any(key, value))
		}
	}
	return list
}
