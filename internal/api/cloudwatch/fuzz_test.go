package cloudwatch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"pgregory.net/rapid"

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
	service := New(Deps{Store: st, Account: "1", Now: now, Reader: measured, Putter: measured, Lister: measured}).Service()
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

// FuzzToken reads nothing from a token that was not made for the same question.
func FuzzToken(f *testing.F) {
	f.Add("q", *newToken("q", "key"))
	f.Add("q", "AAAAAAAAAAAAAAAA")
	f.Add("q", "")
	f.Fuzz(func(t *testing.T, query, token string) {
		key, ok := readToken(query, &token)
		if ok && token != "" && *newToken(query, key) != strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(token), "=") {
			t.Errorf("%q gives %q, which has another token", token, key)
		}
		if _, ok := readToken(query+"x", newToken(query, "k"+key)); ok {
			t.Error("a token of another question is read")
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

// TestPages gives all that was there all the time once, in order, whatever comes and goes between two pages.
func TestPages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.IntRange(0, 30)
		draw := func(name string) map[int]bool {
			set := map[int]bool{}
			for _, k := range rapid.SliceOf(key).Draw(t, name) {
				set[k] = true
			}
			return set
		}
		stays, comes := draw("stays"), draw("comes")
		size := rapid.IntRange(1, 10).Draw(t, "size")
		seen := map[string]int{}
		var token *string
		for more := true; more; more = token != nil {
			var all []string
			for k := range 31 {
				if stays[k] || comes[k] && rapid.Bool().Draw(t, "is there") {
					all = append(all, fmt.Sprintf("%02d", k))
				}
			}
			after, ok := readToken("q", token)
			if !ok {
				t.Fatalf("token %s is refused", aws.ToString(token))
			}
			var got []string
			if got, token = page(all, func(s string) string { return s }, after, "q", size); len(got) > size {
				t.Fatalf("a page has %d results, want at most %d", len(got), size)
			}
			for _, k := range got {
				seen[k]++
			}
		}
		for k := range 31 {
			if n := seen[fmt.Sprintf("%02d", k)]; n > 1 || stays[k] && n != 1 {
				t.Fatalf("%d was seen %d times", k, n)
			}
		}
	})
}
