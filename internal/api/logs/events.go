package logs

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/pattern"
)

// The bounds of a page ("GetLogEvents", "FilterLogEvents").
const (
	pageEvents  = 10_000
	pageBytes   = 1 << 20
	scanEvents  = 200_000 // that a page looks at; then it ends, and a token goes on
	streamNames = 100     // that a request may name
)

func (a *API) getLogEvents(
	ctx context.Context, call control.Call, in *cloudwatchlogs.GetLogEventsInput,
) (*cloudwatchlogs.GetLogEventsOutput, error) {
	g, err := a.group(call, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	name, err := streamName(in.LogStreamName)
	if err != nil {
		return nil, err
	}
	n, err := limit(in.Limit, pageEvents, pageEvents)
	if err != nil {
		return nil, err
	}
	q := logs.Query{Group: g.group, Streams: []string{name}, Reverse: !aws.ToBool(in.StartFromHead)}
	if q.From, q.To, err = span(in.StartTime, in.EndTime, g.from); err != nil {
		return nil, err
	}
	after, reverse, err := readDirected(in.NextToken, name)
	if err != nil {
		return nil, err
	}
	if after != nil {
		q.After, q.Reverse = after, reverse
	}
	if err := a.haveStream(ctx, g, name); err != nil {
		return nil, err
	}
	events, _, err := collect(ctx, a.Sources(), &q, nil, n)
	if err != nil {
		return nil, err
	}
	if q.Reverse {
		slices.Reverse(events)
	}
	return eventsOut(&q, events), nil
}

// eventsOut is a page of a stream. At the end of the stream the token leads to the same place again.
func eventsOut(q *logs.Query, events []logs.Event) *cloudwatchlogs.GetLogEventsOutput {
	out := &cloudwatchlogs.GetLogEventsOutput{Events: make([]types.OutputLogEvent, len(events))}
	for i, e := range events {
		out.Events[i] = types.OutputLogEvent{
			Timestamp: aws.Int64(e.At), IngestionTime: aws.Int64(e.Ingested), Message: aws.String(e.Message),
		}
	}
	first, last := logs.Place{At: q.From}, logs.Place{At: q.From}
	switch {
	case len(events) > 0:
		first, last = events[0].Place, events[len(events)-1].Place
	case q.After != nil:
		first, last = *q.After, *q.After
	case q.To != math.MaxInt64: // nothing was there: what comes later is behind, whatever its time
		first = logs.Place{At: q.To}
	}
	out.NextBackwardToken, out.NextForwardToken = directedToken(backward, first), directedToken(forward, last)
	return out
}

// collect reads a page. next is the place to go on behind, nil at the end.
func collect(
	ctx context.Context, from logs.Source, q *logs.Query, p *pattern.Pattern, most int,
) (events []logs.Event, next *logs.Place, err error) {
	scanned, bytes := 0, 0
	var last logs.Place
	for e, err := range from.Events(ctx, *q) {
		if err != nil {
			return nil, nil, err
		}
		matches := p == nil || p.Match(e.Message)
		full := matches && (len(events) >= most || bytes > 0 && bytes+len(e.Message) > pageBytes)
		if full || scanned >= scanEvents {
			return events, &last, nil
		}
		scanned++
		last = e.Place
		if matches {
			events = append(events, e)
			bytes += len(e.Message)
		}
	}
	return events, nil, ctx.Err()
}

func (a *API) filterLogEvents(
	ctx context.Context, call control.Call, in *cloudwatchlogs.FilterLogEventsInput,
) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	g, err := a.group(call, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	q, err := filterQuery(g, in)
	if err != nil {
		return nil, err
	}
	n, err := limit(in.Limit, pageEvents, pageEvents)
	if err != nil {
		return nil, err
	}
	p, err := pattern.Parse(aws.ToString(in.FilterPattern))
	if err != nil {
		return nil, invalid("Invalid filter pattern: %s", err)
	}
	for _, name := range in.LogStreamNames {
		if err := a.haveStream(ctx, g, name); err != nil {
			return nil, err
		}
	}
	events, next, err := collect(ctx, a.Sources(), &q, p, n)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{
		Events: make([]types.FilteredLogEvent, len(events)), SearchedLogStreams: []types.SearchedLogStream{},
	}
	for i, e := range events {
		out.Events[i] = types.FilteredLogEvent{
			EventId: aws.String(eventID(e.Place)), LogStreamName: aws.String(e.Stream), Timestamp: aws.Int64(e.At),
			IngestionTime: aws.Int64(e.Ingested), Message: aws.String(e.Message),
		}
	}
	if next != nil {
		out.NextToken = newToken(next)
	}
	return out, nil
}

func filterQuery(g found, in *cloudwatchlogs.FilterLogEventsInput) (q logs.Query, err error) {
	q = logs.Query{Group: g.group, Streams: in.LogStreamNames, Prefix: aws.ToString(in.LogStreamNamePrefix)}
	switch {
	case len(q.Streams) > 0 && q.Prefix != "":
		return q, invalid("logStreamNames and logStreamNamePrefix cannot be given together.")
	case len(q.Streams) > streamNames:
		return q, invalid("logStreamNames: %d were given; at most %d are allowed.", len(q.Streams), streamNames)
	}
	for i := range q.Streams {
		if _, err := streamName(&q.Streams[i]); err != nil {
			return q, err
		}
	}
	if q.From, q.To, err = span(in.StartTime, in.EndTime, g.from); err != nil {
		return q, err
	}
	if q.To < math.MaxInt64 { // its last millisecond is meant too
		q.To++
	}
	if in.EndTime != nil && in.StartTime != nil && *in.StartTime > *in.EndTime {
		return q, invalid("startTime is after endTime.")
	}
	// Newest first is for interactive clients alone.
	q.Reverse = in.StartFromHead != nil && !*in.StartFromHead
	q.After, err = placeToken(in.NextToken)
	return q, err
}

// eventID is an event's id: 56 digits that no other event has, and that are always the same.
func eventID(p logs.Place) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%s", p.Source, p.Stream)
	return fmt.Sprintf("%018d%020d%018d", max(0, p.At), h.Sum64(), p.Seq%1e18)
}
