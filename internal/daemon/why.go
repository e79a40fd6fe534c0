package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
	"github.com/maitred/maitred/internal/why"
)

const whyPath = "/maitred/v1/why"

// why answers GET /maitred/v1/why?of=REF with a why.Story, or a refusal as {"code", "message"}.
func (s *server) why(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), outputTimeout)
	defer cancel()
	viewer := why.Viewer{
		View: s.store.View(), Now: now, Timings: s.timings, Refuse: refuse, Output: s.output(ctx), OutputIn: s.outputIn,
		Connected: func(m *model.Machine) bool { return control.AgentConnected(m, now) },
		Points:    func(a *model.Alarm) []float64 { return measured[[]float64](s)(scaler.Recent(s.metrics, a, now)) },
		Targets:   func(a *model.Alarm) float64 { return measured[float64](s)(scaler.RecentTargets(s.metrics, a, now)) },
		Seconds: func(p *model.ScalingPolicy, svc *model.Service, running int) scaling.Series {
			return measured[scaling.Series](s)(scaler.Seconds(s.metrics, p, svc, running, now))
		},
	}
	story, err := viewer.Of(r.URL.Query().Get("of"))
	s.told(w, story, err, http.StatusNotFound)
}

// measured gives what was measured, nothing where it cannot be read: a story is told without it.
func measured[V any](s *server) func(V, error) V {
	return func(v V, err error) V {
		if err != nil {
			s.cfg.Log.Debug("measurements for a story could not be read", "error", err)
		}
		return v
	}
}

// Why asks a running server for the story of something.
func Why(ctx context.Context, endpoint, ref string) (why.Story, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+whyPath, http.NoBody)
	if err != nil {
		return why.Story{}, err
	}
	q := req.URL.Query()
	q.Set("of", ref)
	req.URL.RawQuery = q.Encode()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return why.Story{}, fmt.Errorf("no maitred answers at %s (is it running? `maitred up`, or --endpoint): %w", endpoint, err)
	}
	defer func() { _ = answer.Body.Close() }()
	return readStory(endpoint, answer)
}

// readStory reads the answer to Why. What is neither a story nor a refusal comes from something else.
func readStory(endpoint string, answer *http.Response) (why.Story, error) {
	var body struct {
		why.Story
		Code, Message string
	}
	err := json.NewDecoder(answer.Body).Decode(&body)
	switch {
	case err == nil && answer.StatusCode == http.StatusOK && body.Subject != "":
		return body.Story, nil
	case err == nil && answer.StatusCode != http.StatusOK && body.Code != "" && body.Message != "":
		return why.Story{}, errors.New(body.Message)
	}
	return why.Story{}, fmt.Errorf("%s is not maitred (it answered %s); --endpoint says where to ask", endpoint, answer.Status)
}
