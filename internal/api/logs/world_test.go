package logs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/maitred/maitred/internal/api/apitest"
	api "github.com/maitred/maitred/internal/api/logs"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

// world is the API over a store in memory with the real client before it. What containers wrote is in machine.
type world struct {
	*client.Client
	t       *testing.T
	url     string
	machine *disk.Store

	clock *apitest.Clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: apitest.NewClock(start), machine: openDisk(t, "machine")}
	put := openDisk(t, "server")
	w.url = apitest.Serve(t, wire.Config{}, api.New(api.Deps{
		Deps:    usecase.Deps{Store: apitest.Store(t), Account: account, Now: w.clock.Now},
		Put:     put,
		Sources: func() logs.Source { return logs.Sources{List: []logs.Source{put, w.machine}} },
	}).Service())
	w.Client = client.NewFromConfig(apitest.Config(w.url, region))
	return w
}

func openDisk(t *testing.T, source string) *disk.Store {
	t.Helper()
	s, err := disk.Open(disk.Config{Dir: t.TempDir(), Source: source})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (w *world) pass(d time.Duration) { w.clock.Advance(d) }

func (w *world) create(group string, streams ...string) {
	w.t.Helper()
	if _, err := w.CreateLogGroup(w.t.Context(), &client.CreateLogGroupInput{LogGroupName: &group}); err != nil {
		w.t.Fatalf("CreateLogGroup(%s) = %v", group, err)
	}
	for _, s := range streams {
		if _, err := w.CreateLogStream(w.t.Context(), &client.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &s}); err != nil {
			w.t.Fatalf("CreateLogStream(%s) = %v", s, err)
		}
	}
}

// event is one at so many milliseconds after the start.
func event(ms int, message string) types.InputLogEvent {
	return types.InputLogEvent{Timestamp: aws.Int64(start.UnixMilli() + int64(ms)), Message: aws.String(message)}
}

// put puts events into a stream of the group g.
func (w *world) put(stream string, events ...types.InputLogEvent) *client.PutLogEventsOutput {
	w.t.Helper()
	out, err := w.PutLogEvents(w.t.Context(), &client.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: &stream, LogEvents: events})
	if err != nil {
		w.t.Fatalf("PutLogEvents = %v", err)
	}
	return out
}

func wantError(t *testing.T, name string, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("%s: %v, want %s with %q", name, err, code, text)
	}
}
