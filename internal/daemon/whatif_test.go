package daemon

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// whatIfServer answers questions about a service web with 3 tasks that nothing scales.
func whatIfServer(t *testing.T) *httptest.Server {
	t.Helper()
	st, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	cluster := arn.Scope{Region: "eu-west-1", Account: "123456789012"}.Cluster("default")
	if _, err := st.Update(t.Context(), func(tx *store.Tx) error {
		tx.Put(&model.Service{
			ARN: arn.Service(cluster, "web"), Name: "web", Cluster: cluster, Region: "eu-west-1", Status: model.Active,
			Scheduling: model.Replica, DesiredCount: 3,
		})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	kept, err := keep.Open(keep.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	s := &server{cfg: Config{Log: slog.New(slog.DiscardHandler)}, store: st, metrics: kept, asked: make(chan struct{}, 1)}
	web := httptest.NewServer(http.HandlerFunc(s.whatIf))
	t.Cleanup(web.Close)
	return web
}

// TestWhatIf: a question goes to the server, and its answer is written for people.
func TestWhatIf(t *testing.T) {
	t.Parallel()
	web := whatIfServer(t)
	const policy = `{"PolicyName": "cpu", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50,
		"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilizationHighResolution"}}}`
	ask := WhatIfQuestion{
		Service: "web", Policy: json.RawMessage(policy), Min: new(1), Max: new(9), Load: "time,rate\n0,20\n600,60\n1200,0\n",
		Capacity: new(10.0), Start: new(2 * time.Second),
	}
	report, err := WhatIf(t.Context(), web.URL, ask)
	if err != nil {
		t.Fatal(err)
	}
	if report.Today.TaskHours != 1.5 || report.New.MostTasks != 9 {
		t.Errorf("got %v task-hours today, want 3 tasks for half an hour; %d tasks with the policy, want 9", report.Today.TaskHours, report.New.MostTasks)
	}
	text := cli.New(io.Discard, io.Discard).WhatIf(report, 80)
	for _, want := range []string{"task-hours", "1.50", "3 to 3", "1 to 9", "at 50, each second", "M/M/c", "tasks (· today, ─ new)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	again, err := WhatIf(t.Context(), web.URL, ask)
	if err != nil || cli.New(io.Discard, io.Discard).WhatIf(again, 80) != text {
		t.Errorf("the same question has another answer (%v)", err)
	}
}

func TestWhatIfRefused(t *testing.T) {
	t.Parallel()
	web := whatIfServer(t)
	for name, c := range map[string]struct {
		ask  WhatIfQuestion
		want string
	}{
		"service": {WhatIfQuestion{Service: "api"}, "there is no service"},
		"policy":  {WhatIfQuestion{Service: "web", Policy: json.RawMessage(`{"PolicyName": "x"}`)}, "is missing"},
		"file":    {WhatIfQuestion{Service: "web", Min: new(1), Max: new(2), Load: "0,1\nx,y\n"}, "line 2"},
		"record":  {WhatIfQuestion{Service: "web", Min: new(1), Max: new(2), Traffic: "last-24h"}, "nothing was recorded"},
		"bounds":  {WhatIfQuestion{Service: "web", Min: new(1), Load: "0,1\n", Capacity: new(1.0)}, "give both the new minimum and the new maximum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := WhatIf(t.Context(), web.URL, c.ask); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	if _, err := WhatIf(t.Context(), other.URL, WhatIfQuestion{Service: "web"}); err == nil || !strings.Contains(err.Error(), "is not maitred") {
		t.Errorf("got %v of another server", err)
	}
}
