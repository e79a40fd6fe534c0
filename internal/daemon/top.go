package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/top"
	"github.com/maitred/maitred/internal/top/gather"
)

const topPath = "/maitred/v1/top"

// TopRequest is what `maitred top` shows beside the services.
type TopRequest = top.Ask

// Snapshot is all that it shows.
type Snapshot = top.Snapshot

// top answers GET /maitred/v1/top?service=ARN&machines=true with a top.Snapshot; both parameters may be left out.
func (s *server) top(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	machines, err := strconv.ParseBool(q.Get("machines"))
	if err != nil && q.Get("machines") != "" {
		s.refused(w, http.StatusBadRequest, model.InvalidParameter(fmt.Sprintf("machines is %q, not true or false", q.Get("machines"))))
		return
	}
	ask := top.Ask{Service: q.Get("service"), Machines: machines}
	view := s.store.View()
	if _, ok := view.Service(ask.Service); !ok && ask.Service != "" {
		s.refused(w, http.StatusNotFound, &model.Error{
			Code: "ServiceNotFoundException", Message: fmt.Sprintf("There is no service %q.", ask.Service),
		})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, gather.Gatherer{View: view, Metrics: s.metrics, Now: time.Now()}.Snapshot(ask))
}

// maxSnapshot is how long the answer to Top may be.
const maxSnapshot = 64 << 20

// topTimeout is how long a server may take to answer Top.
const topTimeout = 10 * time.Second

// Top asks a running server for a snapshot.
func Top(ctx context.Context, endpoint string, in TopRequest) (snap top.Snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, topTimeout)
	defer cancel()
	q := url.Values{"service": {in.Service}, "machines": {strconv.FormatBool(in.Machines)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+topPath+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return snap, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return snap, unanswered(endpoint, err)
	}
	defer func() { _ = answer.Body.Close() }()
	var body struct {
		top.Snapshot
		Code, Message string
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, maxSnapshot)).Decode(&body)
	switch {
	case err == nil && answer.StatusCode == http.StatusOK && !body.At.IsZero():
		return body.Snapshot, nil
	case err == nil && answer.StatusCode != http.StatusOK && body.Code != "" && body.Message != "":
		return snap, errors.New(body.Message)
	}
	return snap, fmt.Errorf("%s is not maitred (it answered %s); --endpoint says where to ask", endpoint, answer.Status)
}
