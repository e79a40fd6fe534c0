package logs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
)

func (a *API) createLogStream(
	ctx context.Context, call control.Call, in *cloudwatchlogs.CreateLogStreamInput,
) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	g, name, err := a.stream(call, in.LogGroupName, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	exists := wire.Errorf("ResourceAlreadyExistsException", "The specified log stream already exists")
	if err := a.haveStream(ctx, g, name); err == nil {
		return nil, exists
	}
	err = a.Put.CreateStream(g.group, name, call.Now.UnixMilli())
	if errors.Is(err, disk.ErrExists) {
		return nil, exists
	}
	return &cloudwatchlogs.CreateLogStreamOutput{}, err
}

func (a *API) deleteLogStream(
	ctx context.Context, call control.Call, in *cloudwatchlogs.DeleteLogStreamInput,
) (*cloudwatchlogs.DeleteLogStreamOutput, error) {
	g, name, err := a.stream(call, in.LogGroupName, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	there, err := a.Sources().DeleteStream(ctx, g.group, name)
	if err == nil && !there {
		err = noStream()
	}
	return &cloudwatchlogs.DeleteLogStreamOutput{}, err
}

func (a *API) describeLogStreams(
	ctx context.Context, call control.Call, in *cloudwatchlogs.DescribeLogStreamsInput,
) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	g, err := a.group(call, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	n, err := limit(in.Limit, 50, 50)
	if err != nil {
		return nil, err
	}
	prefix := aws.ToString(in.LogStreamNamePrefix)
	byTime := in.OrderBy == types.OrderByLastEventTime
	switch {
	case in.OrderBy != "" && !slices.Contains(in.OrderBy.Values(), in.OrderBy):
		return nil, invalid("orderBy should be LogStreamName or LastEventTime, got %.50q.", in.OrderBy)
	case byTime && prefix != "":
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	streams, err := a.Sources().Streams(ctx, g.group, prefix)
	if err != nil {
		return nil, err
	}
	order := func(x, y logs.Stream) int {
		c := strings.Compare(x.Name, y.Name)
		if byTime {
			c = cmp.Or(cmp.Compare(x.Last, y.Last), c)
		}
		if aws.ToBool(in.Descending) {
			c = -c
		}
		return c
	}
	slices.SortFunc(streams, order)
	after, err := streamToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: []types.LogStream{}}
	for _, s := range streams {
		if after != nil && order(s, *after) <= 0 {
			continue
		}
		if len(out.LogStreams) == n {
			last := out.LogStreams[n-1]
			out.NextToken = newToken(logs.Stream{Name: *last.LogStreamName, Last: aws.ToInt64(last.LastEventTimestamp)})
			break
		}
		out.LogStreams = append(out.LogStreams, streamOut(call, g, s))
	}
	return out, nil
}

func streamOut(call control.Call, g found, s logs.Stream) types.LogStream {
	out := types.LogStream{
		LogStreamName: aws.String(s.Name), Arn: aws.String(groupARN(call.Scope, g.Name) + ":log-stream:" + s.Name),
		CreationTime: aws.Int64(s.Created), StoredBytes: aws.Int64(0), //nolint:staticcheck // as CloudWatch Logs answers it
		UploadSequenceToken: aws.String(sequenceToken),
	}
	if s.Ingested > 0 {
		out.FirstEventTimestamp, out.LastEventTimestamp = aws.Int64(max(s.First, g.from)), aws.Int64(s.Last)
		out.LastIngestionTime = aws.Int64(s.Ingested)
	}
	return out
}
