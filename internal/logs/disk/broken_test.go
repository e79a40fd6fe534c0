package disk_test

import (
	"context"
	"errors"
	"iter"

	"github.com/maitred/maitred/internal/logs"
)

// broken is a source that is away.
type broken struct{}

var errAway = errors.New("away")

func (broken) Streams(context.Context, logs.Group, string) ([]logs.Stream, error) {
	return nil, errAway
}

func (broken) Events(context.Context, logs.Query) iter.Seq2[logs.Event, error] {
	return func(yield func(logs.Event, error) bool) { yield(logs.Event{}, errAway) }
}

func (broken) DeleteStream(context.Context, logs.Group, string) (bool, error) { return false, errAway }
