package logs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/logs/frame"
)

// The bounds of a batch ("PutLogEvents").
const (
	putEvents   = 10_000
	putBytes    = 1_048_576
	putOverhead = 26 // bytes that each event counts more than its message
	putSpan     = 24 * time.Hour
	putOldest   = 14 * 24 * time.Hour
	putNewest   = 2 * time.Hour
)

func (a *API) putLogEvents(
	ctx context.Context, call control.Call, in *cloudwatchlogs.PutLogEventsInput,
) (*cloudwatchlogs.PutLogEventsOutput, error) {
	g, name, err := a.stream(call, in.LogGroupName, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	if err := a.haveStream(ctx, g, name); err != nil {
		return nil, err
	}
	accepted, rejected := accept(in.LogEvents, call.Now, g.from)
	out := &cloudwatchlogs.PutLogEventsOutput{NextSequenceToken: aws.String(sequenceToken), RejectedLogEventsInfo: rejected}
	if len(accepted) == 0 {
		return out, nil
	}
	return out, a.Put.Append(g.group, name, disk.Batch{Ingested: call.Now.UnixMilli(), Events: accepted})
}

// checkBatch refuses a batch as a whole.
func checkBatch(events []types.InputLogEvent) error {
	if n := len(events); n == 0 || n > putEvents {
		return invalid("logEvents should have 1 to %d events, got %d.", putEvents, n)
	}
	size := 0
	for i, e := range events {
		message := aws.ToString(e.Message)
		switch {
		case e.Timestamp == nil || *e.Timestamp < 0:
			return invalid("logEvents[%d].timestamp should be a number of milliseconds that is not negative.", i)
		case message == "":
			return invalid("logEvents[%d].message should have at least 1 character.", i)
		case i > 0 && *e.Timestamp < *events[i-1].Timestamp:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		size += len(message) + putOverhead
	}
	if size > putBytes {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, putBytes)
	}
	if *events[len(events)-1].Timestamp-*events[0].Timestamp > putSpan.Milliseconds() {
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// accept leaves out events that are too old or too new, and says which: those before and from an index on.
func accept(events []types.InputLogEvent, now time.Time, from int64) ([]frame.Event, *types.RejectedLogEventsInfo) {
	oldest, newest := now.Add(-putOldest).UnixMilli(), now.Add(putNewest).UnixMilli()
	var rejected types.RejectedLogEventsInfo
	var accepted []frame.Event
	for i, e := range events {
		switch at := *e.Timestamp; {
		case at < from:
			rejected.ExpiredLogEventEndIndex = aws.Int32(int32(i + 1))
		case at < oldest:
			rejected.TooOldLogEventEndIndex = aws.Int32(int32(i + 1))
		case at > newest:
			if rejected.TooNewLogEventStartIndex == nil {
				rejected.TooNewLogEventStartIndex = aws.Int32(int32(i))
			}
		default:
			accepted = append(accepted, frame.Event{At: at, Message: *e.Message})
		}
	}
	if len(accepted) == len(events) {
		return accepted, nil
	}
	return accepted, &rejected
}
