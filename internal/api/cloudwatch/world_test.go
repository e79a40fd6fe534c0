package cloudwatch_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/cloudwatch"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/store"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
)

// start is when every world begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

// world is the API over a store in memory, with the real client before it.
type world struct {
	*client.Client
	t     *testing.T
	store *store.Store
	kept  *recorder
	url   string

	clock *apitest.Clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, func(*cloudwatch.Deps) {})
}

// newWorldWith is a world whose API gets other dependencies.
func newWorldWith(t *testing.T, change func(*cloudwatch.Deps)) *world {
	t.Helper()
	w := &world{t: t, store: apitest.Store(t), clock: apitest.NewClock(start)}
	measured, err := keep.Open(keep.Config{Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = measured.Close() })
	w.kept = &recorder{Store: measured}
	deps := cloudwatch.Deps{
		Deps:   usecase.Deps{Store: w.store, Account: account, Now: w.clock.Now, IDs: apitest.IDs()},
		Reader: w.kept, Putter: w.kept, Lister: w.kept,
	}
	change(&deps)
	w.url = apitest.Serve(t, wire.Config{Region: region}, cloudwatch.New(deps).Service())
	w.Client = w.in(region)
	return w
}

// in is a client for a region. It sends what it is told to, without checking it first, and once.
func (w *world) in(region string) *client.Client {
	return client.NewFromConfig(apitest.Config(w.url, region))
}

func (w *world) now() time.Time { return w.clock.Now() }

// pass lets time pass.
func (w *world) pass(d time.Duration) { w.clock.Advance(d) }

// recorder notes what is put, and passes it on.
type recorder struct {
	*keep.Store
	mu   sync.Mutex
	data []metrics.Datum
}

func (k *recorder) Put(data []metrics.Datum) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data = append(k.data, data...)
	k.Store.Put(data)
}

// must fails the test if an operation has failed, and gives its answer.
func must[O any](out O, err error) func(t *testing.T) O { return apitest.Must(out, err) }

// failure is the error of an operation whose answer does not matter.
func failure[O any](_ O, err error) error { return err }

// wantError checks the code and that the message has the parts.
func wantError(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	apitest.WantError(t, err, code, parts...)
}

// answer is what came back without a client.
type answer struct {
	status int
	header http.Header
	body   string
}

// post sends a body without a client.
func (w *world) post(path, contentType, body string, header ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(text)}
}

func (w *world) json(operation, body string, header ...string) answer {
	w.t.Helper()
	return w.post("/", "application/x-amz-json-1.0", body, append(header, "X-Amz-Target", "GraniteServiceVersion20100801."+operation, "X-Amzn-Query-Mode", "true")...)
}

func (w *world) query(action, parameters string) answer {
	w.t.Helper()
	return w.post("/", "application/x-www-form-urlencoded; charset=utf-8", "Action="+action+"&Version=2010-08-01&"+parameters)
}

func dim(pairs ...string) (dimensions []types.Dimension) {
	for p := range slices.Chunk(pairs, 2) {
		dimensions = append(dimensions, types.Dimension{Name: &p[0], Value: &p[1]})
	}
	return dimensions
}

// cpu is a usual alarm.
func cpu(name string) *client.PutMetricAlarmInput {
	return &client.PutMetricAlarmInput{
		AlarmName: &name, Namespace: aws.String("AWS/ECS"), MetricName: aws.String("CPUUtilization"), Dimensions: dim("ClusterName", "c", "ServiceName", "s"),
		Statistic: types.StatisticAverage, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(3), Threshold: aws.Float64(50),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
	}
}

func (w *world) alarm(name string, edit ...func(*client.PutMetricAlarmInput)) {
	w.t.Helper()
	in := cpu(name)
	for _, e := range edit {
		e(in)
	}
	must(w.PutMetricAlarm(w.t.Context(), in))(w.t)
}

func (w *world) composite(name, rule string) {
	w.t.Helper()
	must(w.PutCompositeAlarm(w.t.Context(), &client.PutCompositeAlarmInput{AlarmName: &name, AlarmRule: &rule}))(w.t)
}

// value puts one value of the metric m in the namespace Own, some time before now.
func (w *world) value(v float64, ago time.Duration, dimensions ...string) {
	w.t.Helper()
	must(w.PutMetricData(w.t.Context(), &client.PutMetricDataInput{Namespace: aws.String("Own"), MetricData: []types.MetricDatum{{
		MetricName: aws.String("m"), Value: &v, Timestamp: aws.Time(w.now().Add(-ago)), Dimensions: dim(dimensions...),
	}}}))(w.t)
}
