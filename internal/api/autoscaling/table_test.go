package autoscaling_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/autoscaling"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestEveryOperationIsKnown compares the table with the SDK's client.
func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	apitest.WantTable(t, autoscaling.New(usecase.Deps{}).Service(), reflect.TypeFor[*client.Client](), validation)
}

// FuzzRequests sends anything to the operations: whatever it is, it is carried out or refused, and never an error of the
// server. What was put can be described.
func FuzzRequests(f *testing.F) {
	const key = `"ServiceNamespace":"ecs","ResourceId":"service/default/web","ScalableDimension":"ecs:service:DesiredCount"`
	operations := []string{
		"RegisterScalableTarget", "PutScalingPolicy", "PutScheduledAction", "DescribeScalableTargets", "DescribeScalingPolicies",
		"DescribeScheduledActions", "DescribeScalingActivities", "TagResource", "UntagResource", "ListTagsForResource",
	}
	for n, body := range map[uint8]string{
		0: `{` + key + `,"MinCapacity":5,"MaxCapacity":9,"SuspendedState":{"DynamicScalingInSuspended":true},"Tags":{"a":"b"}}`,
		1: `{` + key + `,"PolicyName":"p","PolicyType":"StepScaling","StepScalingPolicyConfiguration":{"AdjustmentType":"ExactCapacity","StepAdjustments":[{"MetricIntervalLowerBound":-1e300,"ScalingAdjustment":1}]}}`,
		2: `{` + key + `,"ScheduledActionName":"a","Schedule":"cron(0 0 L * ? 2027)","Timezone":"Asia/Tokyo","StartTime":1.9e9,"EndTime":2e9,"ScalableTargetAction":{"MaxCapacity":0}}`,
		3: `{"ServiceNamespace":"ecs","MaxResults":1,"NextToken":"AAAAAAAAAAAAAAAA"}`,
		7: `{"ResourceARN":"arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/0","Tags":{"":""}}`,
	} {
		f.Add(n, body)
	}
	f.Add(uint8(1), `{`+key+`,"PolicyName":"p","PolicyType":"TargetTrackingScaling","TargetTrackingScalingPolicyConfiguration":{"TargetValue":"NaN","PredefinedMetricSpecification":{"PredefinedMetricType":"ALBRequestCountPerTarget","ResourceLabel":"app/a/b/targetgroup/c/d"}}}`)
	f.Add(uint8(1), `{`+key+`,"PolicyName":"p","PolicyType":"TargetTrackingScaling","TargetTrackingScalingPolicyConfiguration":{"TargetValue":1e-300,"CustomizedMetricSpecification":{"Metrics":[{"Id":"e","Expression":"m*'x'"},{"Id":"m","ReturnData":false,"MetricStat":{"Stat":"p99","Metric":{"Namespace":"n","MetricName":"m"}}}]}}}`)
	f.Fuzz(func(t *testing.T, n uint8, body string) {
		h := registered(t)
		operation := operations[int(n)%len(operations)]
		if status, text := ask(t, h, operation, body); status != 200 && status != 400 && status != 413 {
			t.Errorf("%s %s: got %d %s", operation, body, status, text)
		}
		for _, read := range []string{"DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions", "DescribeScalingActivities"} {
			if status, text := ask(t, h, read, `{"ServiceNamespace":"ecs"}`); status != 200 {
				t.Errorf("%s after %s %s: got %d %s", read, operation, body, status, text)
			}
		}
	})
}

// registered is the API with a service that is a scalable target, without a network and without goroutines.
func registered(t *testing.T) http.Handler {
	t.Helper()
	st, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	cluster := arn.Scope{Region: region, Account: account}.Cluster("default")
	svc := &model.Service{ARN: arn.Service(cluster, "web"), Name: "web", Cluster: cluster, Region: region, Status: model.Active, DesiredCount: 3}
	target := &model.ScalableTarget{ARN: "arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/0", Region: region, Resource: web, Service: svc.ARN, Min: 1, Max: 10}
	if _, err := st.Update(t.Context(), func(tx *store.Tx) error {
		tx.Put(svc)
		tx.Put(target)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	api := autoscaling.New(usecase.Deps{Store: st, Account: account, Now: func() time.Time { return start }, IDs: func() (id [16]byte) { return id }})
	handler, err := wire.NewHandler(wire.Config{Region: region}, api.Service())
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func ask(t *testing.T, h http.Handler, operation, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AnyScaleFrontendService."+operation)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
