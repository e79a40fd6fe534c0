// Package logs knows what CloudWatch Logs keeps: events in streams, in groups; where they are kept, and how those of
// several places are read as one.
//
// A group itself is a record of the store; streams and events are kept by the machines that wrote them (package disk),
// and by the servers that were sent them by PutLogEvents. Each such place is a Source, and Sources merges them. What
// containers write comes here by package ship.
package logs

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
)

// ErrNoGroup says that events are for a group that has been deleted.
var ErrNoGroup = errors.New("the log group was deleted")

// Group is one life of a log group: one of the same name that is made later is another one.
type Group struct {
	Region  string `json:"region"`
	Name    string `json:"name"`
	Created int64  `json:"created"` // when it was made, in milliseconds since 1970
}

// Stream is a sequence of events of one origin. Times are in milliseconds since 1970; First, Last and Ingested are 0 while
// it has no events.
type Stream struct {
	Name     string `json:"name"`
	Created  int64  `json:"created"`
	First    int64  `json:"first"`    // of the oldest event
	Last     int64  `json:"last"`     // of the newest event
	Ingested int64  `json:"ingested"` // when the last event came
	Bytes    int64  `json:"bytes"`    // on the disk
}

// Event is something that was logged.
type Event struct {
	Place
	Ingested int64  `json:"ingested"` // when it came, in milliseconds since 1970
	Message  string `json:"message"`
}

// Place is where an event stands. Places are in the order of time; events of one time in that of streams, sources and
// arrival.
type Place struct {
	At     int64  `json:"at"` // the event's own time, in milliseconds since 1970
	Stream string `json:"stream,omitempty"`
	Source string `json:"source,omitempty"` // name of the Source that keeps it
	Seq    uint64 `json:"seq,omitempty"`    // counts the arrivals in the stream at that source
}

// Compare orders places.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.At, q.At), strings.Compare(p.Stream, q.Stream), strings.Compare(p.Source, q.Source),
		cmp.Compare(p.Seq, q.Seq))
}

// Query chooses events of a group.
type Query struct {
	Group   Group    `json:"group"`
	Streams []string `json:"streams,omitempty"` // names; none for all
	Prefix  string   `json:"prefix,omitempty"`  // of the streams' names, where none are named
	From    int64    `json:"from"`              // the first time, in milliseconds since 1970
	To      int64    `json:"to"`                // the first time not to be included
	After   *Place   `json:"after,omitempty"`   // only what comes after it; before it, in reverse
	Reverse bool     `json:"reverse,omitempty"` // newest first
}

// Wants says whether the query is about a stream.
func (q *Query) Wants(stream string) bool {
	if len(q.Streams) == 0 {
		return strings.HasPrefix(stream, q.Prefix)
	}
	return slices.Contains(q.Streams, stream)
}

// Includes says whether an event at a place is asked for, its stream aside.
func (q *Query) Includes(p Place) bool {
	if p.At < q.From || p.At >= q.To {
		return false
	}
	return q.After == nil || q.Compare(p, *q.After) > 0
}

// Compare orders places as the query wants them.
func (q *Query) Compare(a, b Place) int {
	if q.Reverse {
		return b.Compare(a)
	}
	return a.Compare(b)
}

// Source keeps events. All methods may be called at the same time from several goroutines.
type Source interface {
	// Streams tells the streams of a group whose names have a prefix, ordered by name.
	Streams(ctx context.Context, g Group, prefix string) ([]Stream, error)
	// Events tells events in order. What expires meanwhile may be missing.
	Events(ctx context.Context, q Query) iter.Seq2[Event, error]
	// DeleteStream deletes a stream with its events, and says whether there was one.
	DeleteStream(ctx context.Context, g Group, stream string) (bool, error)
}
