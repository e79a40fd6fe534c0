package exposition_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/maitred/maitred/internal/meter/exposition"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	tasks := exposition.Family{Name: "maitred_tasks", Type: exposition.Gauge, Help: "Tasks\nthat \\ run."}
	tasks.Add(3, "cluster", "default", "service", `a "b"`+"\n\\c")
	tasks.Add(math.Inf(1))
	times := exposition.Family{Name: "maitred_seconds", Type: exposition.Histogram, Help: "Times."}
	times.AddHistogram([]float64{0.1, 1}, []float64{2, 3}, 4, 5.5, "group", "web")
	var b strings.Builder
	if err := exposition.Write(&b, []exposition.Family{tasks, {Name: "nothing"}, times}); err != nil {
		t.Fatal(err)
	}
	want := `# HELP maitred_tasks Tasks\nthat \\ run.
# TYPE maitred_tasks gauge
maitred_tasks{cluster="default",service="a \"b\"\n\\c"} 3
maitred_tasks +Inf
# HELP maitred_seconds Times.
# TYPE maitred_seconds histogram
maitred_seconds_bucket{group="web",le="0.1"} 2
maitred_seconds_bucket{group="web",le="1"} 3
maitred_seconds_bucket{group="web",le="+Inf"} 4
maitred_seconds_sum{group="web"} 5.5
maitred_seconds_count{group="web"} 4
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("the text (-want +got):\n%s", diff)
	}
}

// FuzzWrite writes any text and value, and has Prometheus's own parser read it back.
func FuzzWrite(f *testing.F) {
	f.Add("web", "help", 1.5)
	f.Add("a\"b\\\n} 1", "x\\n\n", math.Inf(-1))
	f.Add("\xff\x00€", "# HELP", math.NaN())
	f.Fuzz(func(t *testing.T, label, help string, value float64) {
		family := exposition.Family{Name: "maitred_x", Type: exposition.Gauge, Help: strings.ToValidUTF8(help, "?")}
		family.Add(value, "a", label, "b", "plain")
		var b strings.Builder
		if err := exposition.Write(&b, []exposition.Family{family}); err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		got, err := parser.TextToMetricFamilies(strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		m := got["maitred_x"].GetMetric()
		if len(got) != 1 || len(m) != 1 || len(m[0].GetLabel()) != 2 {
			t.Fatalf("got %v of\n%s", got, b.String())
		}
		if v := m[0].GetLabel()[0].GetValue(); utf8.ValidString(label) && v != label {
			t.Errorf("the label is %q, want %q", v, label)
		}
		if v := m[0].GetGauge().GetValue(); v != value && !(math.IsNaN(v) && math.IsNaN(value)) {
			t.Errorf("the value is %v, want %v", v, value)
		}
	})
}
