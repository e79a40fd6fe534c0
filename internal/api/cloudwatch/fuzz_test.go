package cloudwatch

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// FuzzRequests sends anything to the operations: the answer is a success, or the sender's mistake.
func FuzzRequests(f *testing.F) {
	for i, body := range []string{
		`{"Namespace":"Own","MetricData":[{"MetricName":"m","Values":[1,2],"Counts":[1,1],"Unit":"Count","Dimensions":[{"Name":"a","Value":"1"}]}]}`,
		`{"Namespace":"Own","MetricData":[{"MetricName":"m","StatisticValues":{"SampleCount":1,"Sum":1,"Minimum":1,"Maximum":1}}]}`,
		`{"StartTime":1772362800,"EndTime":1772366460,"MetricDataQueries":[{"Id":"e","Expression":"SUM(METRICS())","Label":"${MAX} ${PROP('Dim.a')}"},` +
			`{"Id":"m","MetricStat":{"Metric":{"Namespace":"Own","MetricName":"m"},"Period":60,"Stat":"p99"}}],"MaxDatapoints":1,"NextToken":""}`,
		`{"StartTime":-1e18,"EndTime":1e18,"Namespace":"Own","MetricName":"m","Period":60,"Statistics":["Sum"]}`,
		`{"Dimensions":[{"Name":"a"}],"RecentlyActive":"PT3H"}`,
		`{"AlarmName":"a/b%","Namespace":"Own","MetricName":"m","Period":60,"EvaluationPeriods":1,"Threshold":-0.0,"ComparisonOperator":"LessThanThreshold","Statistic":"Sum"}`,
		`{"AlarmName":"up","AlarmRule":"ALARM(a) OR TRUE","ActionsSuppressor":"a","ActionsSuppressorWaitPeriod":1,"ActionsSuppressorExtensionPeriod":1}`,
		`{"AlarmName":"a","StateValue":"OK","StateReason":"","StateReasonData":"{}"}`,
		`{"AlarmNames":["a"],"AlarmTypes":["MetricAlarm"],"ActionPrefix":"h","StateValue":"OK","MaxRecords":1,"NextToken":"AAAAAAAAAAAAAAAA"}`,
		`{"ResourceARN":"arn:aws:cloudwatch:us-east-1:1:alarm:a","Tags":[{"Key":"k","Value":""}],"TagKeys":["k"]}`,
	} {
		f.Add(uint8(i), body)
	}
	backend := mem.New(mem.Options{})
	st, err := store.OpenSync(f.Context(), backend, store.Scope{})
	if err != nil {
		f.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	measured, err := keep.Open(keep.Config{Now: now})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = measured.Close() })
	service := New(Deps{Deps: usecase.Deps{Store: st, Account: "1", Now: now}, Reader: measured, Putter: measured, Lister: measured}).Service()
	handler, err := wire.NewHandler(wire.Config{}, service)
	if err != nil {
		f.Fatal(err)
	}
	served := slices.DeleteFunc(service.Table(), func(op wire.OpInfo) bool { return op.Status == wire.StatusRefused })
	f.Fuzz(func(t *testing.T, op uint8, body string) {
		name := served[int(op)%len(served)].Name
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+name)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code/100 != 4 {
			t.Errorf("%s: %d, %s", name, w.Code, w.Body)
		}
	})
}

// FuzzLabel keeps what stands around the dynamic parts of labels.
func FuzzLabel(f *testing.F) {
	f.Add("max ${MAX} of ${PROP('Dim.a')}")
	f.Add("${${MAX}}")
	f.Fuzz(func(t *testing.T, label string) {
		r := &dataRequest{zone: time.UTC}
		got := r.label(model.MetricQuery{ID: "e"}, expr.Series{Label: label})
		if !strings.Contains(label, "${") && label != "" && got != label {
			t.Errorf("%q becomes %q", label, got)
		}
	})
}
