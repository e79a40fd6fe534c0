package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/maitred/maitred/internal/api/autoscaling"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/whatif"
)

const whatIfPath = "/maitred/v1/what-if"

const (
	// maxQuestion is how long a question may be: a file of a month by the second.
	maxQuestion = 128 << 20
	// maxQuestions is how many are answered at once: each takes a core for some seconds.
	maxQuestions = 1
)

// WhatIfQuestion is what `maitred what-if` asks. Nil is what the server measures, or its default.
type WhatIfQuestion struct {
	Service string          `json:"service"` // NAME, CLUSTER/NAME or ARN
	Policy  json.RawMessage `json:"policy,omitempty"`
	Min     *int            `json:"min,omitempty"`
	Max     *int            `json:"max,omitempty"`
	Traffic string          `json:"traffic,omitempty"` // last-24h; "": Load is one
	Load    string          `json:"load,omitempty"`    // CSV

	Capacity *float64       `json:"capacity,omitempty"`
	Idle     *float64       `json:"idle,omitempty"`
	Start    *time.Duration `json:"start,omitempty"`
	Patience *time.Duration `json:"patience,omitempty"`
	Tasks    *int           `json:"tasks,omitempty"`
	Seed     uint64         `json:"seed,omitempty"`
}

// whatIf answers POST /maitred/v1/what-if, a WhatIfQuestion, with a whatif.Report, or a refusal as {"code", "message"}.
func (s *server) whatIf(w http.ResponseWriter, r *http.Request) {
	var ask WhatIfQuestion
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&ask); err != nil {
		s.refused(w, http.StatusBadRequest, &model.Error{Code: "ValidationException", Message: "the question cannot be read: " + err.Error()})
		return
	}
	select {
	case s.asked <- struct{}{}:
		defer func() { <-s.asked }()
	case <-r.Context().Done():
		return
	}
	report, err := s.answer(r.Context(), &ask)
	s.told(w, report, err, http.StatusBadRequest)
}

func (s *server) answer(ctx context.Context, ask *WhatIfQuestion) (*whatif.Report, error) {
	now := time.Now()
	q := whatif.Question{
		Service: ask.Service, Traffic: ask.Traffic, CSV: []byte(ask.Load), Change: whatif.Change{Min: ask.Min, Max: ask.Max},
		Capacity: ask.Capacity, Idle: ask.Idle, Start: ask.Start, Patience: ask.Patience, Tasks: ask.Tasks, Seed: ask.Seed,
	}
	if len(ask.Policy) > 0 {
		var err error
		if q.Change.Policies, err = autoscaling.ReadPolicies(ask.Policy); err != nil {
			return nil, &model.Error{Code: "ValidationException", Message: err.Error()}
		}
	}
	a := whatif.Answerer{
		View: s.store.View(), Metrics: s.metrics, Now: now, Refuse: refuse,
		Connected: func(m *model.Machine) bool { return control.AgentConnected(m, now) },
	}
	return a.Answer(ctx, q)
}

// WhatIf asks a running server what another policy would have done.
func WhatIf(ctx context.Context, endpoint string, ask WhatIfQuestion) (*whatif.Report, error) {
	question, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("the policy is not JSON: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+whatIfPath, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no maitred answers at %s (is it running? `maitred up`, or --endpoint): %w", endpoint, err)
	}
	defer func() { _ = answer.Body.Close() }()
	var body struct {
		whatif.Report
		Code, Message string
	}
	err = json.NewDecoder(answer.Body).Decode(&body)
	switch {
	case err == nil && answer.StatusCode == http.StatusOK && body.Service != "":
		return &body.Report, nil
	case err == nil && answer.StatusCode != http.StatusOK && body.Code != "" && body.Message != "":
		return nil, errors.New(body.Message)
	}
	return nil, fmt.Errorf("%s is not maitred (it answered %s); --endpoint says where to ask", endpoint, answer.Status)
}
