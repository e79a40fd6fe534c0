package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs/feed"
	"github.com/maitred/maitred/internal/logs/live"
	"github.com/maitred/maitred/internal/model"
)

const logsPath = "/maitred/v1/logs"

// LogLine is a line that a container wrote, or a note about its task.
type LogLine = live.Line

// LogRequest asks for what containers wrote.
type LogRequest struct {
	Of     string    // a service or a task, perhaps with /CONTAINER behind it
	Since  time.Time // not before; zero for all
	Tail   int       // so many of the last lines; negative for all
	Follow bool
}

// serveLogs answers GET /maitred/v1/logs?of=REF&since=TIME&tail=N&follow=true with a feed of lines, or a refusal as
// {"code", "message"}.
func (s *server) serveLogs(w http.ResponseWriter, r *http.Request) {
	o, err := logOptions(r.URL.Query())
	if err != nil {
		s.refused(w, http.StatusBadRequest, model.InvalidParameter(err.Error()))
		return
	}
	subject, err := live.Find(s.store.View(), r.URL.Query().Get("of"))
	if err != nil {
		var refusal *model.Error
		if !errors.As(err, &refusal) {
			refusal = &model.Error{Code: "ServerException", Message: err.Error()}
		}
		s.refused(w, http.StatusNotFound, refusal)
		return
	}
	reader := &live.Reader{Store: s.store, Open: s.openContainerLog}
	if err := feed.Write(r.Context(), w, reader.Read(r.Context(), subject, o)); err != nil {
		s.cfg.Log.Debug("who read logs went away", "error", err)
	}
}

// logOptions reads a request's query.
func logOptions(q url.Values) (o live.Options, err error) {
	o.Tail, o.Follow = -1, q.Get("follow") == "true"
	if tail := q.Get("tail"); tail != "" {
		if o.Tail, err = strconv.Atoi(tail); err != nil {
			return o, fmt.Errorf("tail %q is no number", tail)
		}
	}
	if since := q.Get("since"); since != "" {
		if o.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return o, fmt.Errorf("since %q is no time: it looks like 2026-03-01T12:00:00Z", since)
		}
	}
	return o, nil
}

// openContainerLog opens a container's log where it is: here, or on another machine.
func (s *server) openContainerLog(
	ctx context.Context, t model.TaskState, container string, o driver.LogOptions,
) (iter.Seq2[driver.Line, error], error) {
	if s.logs != nil && t.Machine == s.machine {
		return s.logs(ctx, t.ARN, container, o)
	}
	return s.logsOf(t.Machine).Lines(ctx, t.ARN, container, o)
}

// Logs asks a running server for what containers wrote. It ends with ctx, after what there is, or, when it follows a task,
// with the task.
func Logs(ctx context.Context, endpoint string, in LogRequest) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		answer, err := askLogs(ctx, endpoint, in)
		if err != nil {
			yield(LogLine{}, err)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		for line, err := range feed.Read[LogLine](answer.Body) {
			if ctx.Err() != nil || !yield(line, err) {
				return
			}
		}
	}
}

func askLogs(ctx context.Context, endpoint string, in LogRequest) (*http.Response, error) {
	q := url.Values{"of": {in.Of}, "tail": {strconv.Itoa(in.Tail)}, "follow": {strconv.FormatBool(in.Follow)}}
	if !in.Since.IsZero() {
		q.Set("since", in.Since.Format(time.RFC3339Nano))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+logsPath+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, unanswered(endpoint, err)
	}
	if answer.StatusCode == http.StatusOK && answer.Header.Get("Content-Type") == "application/x-ndjson" {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	var refusal struct{ Code, Message string }
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxHeader)).Decode(&refusal); err == nil && refusal.Message != "" {
		return nil, errors.New(refusal.Message)
	}
	return nil, fmt.Errorf("%s is not maitred (it answered %s); --endpoint says where to ask", endpoint, answer.Status)
}
