package own_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/maitred/maitred/internal/meter/own"
)

func TestProcess(t *testing.T) {
	t.Parallel()
	p := own.New("1.2.3")
	p.API("ecs", "CreateService", "", 20*time.Millisecond)
	p.API("ecs", "CreateService", "ClusterNotFoundException", time.Millisecond)
	p.API("", "", "UnknownOperationException", time.Millisecond)
	p.Leads("scheduler", true)
	p.Leads("scaler", true)
	p.Leads("scaler", false)
	p.Turn("scheduler", time.Millisecond)
	p.Decisions("scheduler", "written", 3)
	p.Decisions("scheduler", "refused", 0)
	state := own.Store{Up: true, Following: true, Size: 100, InUse: 50, Lag: 2 * time.Millisecond, Records: map[string]int{"task": 7}}
	more := []prometheus.Collector{
		own.StoreOf(func(context.Context) own.Store { return state }),
		own.KeptIn(func() own.Kept { return own.Kept{Series: 4, Journal: 9, Dropped: map[string]uint64{"invalid": 1}} }),
	}
	for _, c := range more {
		if err := p.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	embedded := prometheus.NewRegistry()
	for _, name := range []string{"etcd_mvcc_db_total_size_in_bytes", "etcd_debugging_x", "go_threads"} {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
		g.Set(8)
		embedded.MustRegister(g)
	}
	p.Embed(embedded)
	text := write(t, p)
	for _, line := range []string{
		`maitred_api_requests_total{code="OK",operation="CreateService",service="ecs"} 1`,
		`maitred_api_requests_total{code="ClusterNotFoundException",operation="CreateService",service="ecs"} 1`,
		`maitred_api_requests_total{code="UnknownOperationException",operation="",service=""} 1`,
		`maitred_api_request_duration_seconds_count{operation="CreateService",service="ecs"} 2`,
		`maitred_leader{of="scheduler"} 1`, `maitred_leader{of="scaler"} 0`, `maitred_turn_duration_seconds_count{loop="scheduler"} 1`,
		`maitred_decisions_total{loop="scheduler",outcome="written"} 3`, `maitred_store_up 1`, `maitred_store_size_bytes{of="in_use"} 50`,
		`maitred_store_watch_lag_seconds 0.002`, `maitred_store_records{kind="task"} 7`, `maitred_metrics_series 4`,
		`maitred_metrics_dropped_total{reason="invalid"} 1`, `etcd_mvcc_db_total_size_in_bytes 8`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("there is no %s in\n%s", line, text)
		}
	}
	if strings.Contains(text, "etcd_debugging") || strings.Contains(text, `outcome="refused"`) || strings.Contains(text, "maitred_store_quota_bytes") {
		t.Errorf("it tells too much:\n%s", text)
	}
	state = own.Store{}
	if text := write(t, p); !strings.Contains(text, "\nmaitred_store_up 0\n") || strings.Contains(text, "watch_lag") {
		t.Errorf("of a store that does not answer:\n%s", text)
	}
}

// write gives what Prometheus reads, and has its own parser read it.
func write(t *testing.T, p *own.Process) string {
	t.Helper()
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(b.String())); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
