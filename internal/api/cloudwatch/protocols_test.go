package cloudwatch_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/cloudwatch"
)

// TestEveryOperationIsKnown compares the table with the SDK's client.
func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	apitest.WantTable(t, cloudwatch.New(cloudwatch.Deps{}).Service(), reflect.TypeFor[*client.Client](), "InvalidAction")
}

func TestRefusedOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.PutDashboard(t.Context(), &client.PutDashboardInput{})
	wantError(t, err, "InvalidAction", "PutDashboard is not supported by this version of maitred: ")
	if !strings.HasSuffix(err.Error(), ".") {
		t.Errorf("got %q, want a whole sentence", err)
	}
}

// TestProtocols does the same by the real client in the three protocols.
func TestProtocols(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		choose     func(*client.Options)
		validation string // of a query, the client tells the name of the shape
	}{
		{"rpc-v2-cbor", func(*client.Options) {}, "ValidationError"},
		{"awsJson", func(o *client.Options) { o.Protocol = awsjson.New10(schemas.GraniteServiceVersion20100801) }, "ValidationError"},
		{"awsQuery", func(o *client.Options) { o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801) }, "ValidationException"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Client = client.New(w.Options(), tc.choose)
			w.value(1.5, 0, "d", "1")
			w.value(2, 0, "d", "1")
			out := must(w.GetMetricStatistics(t.Context(), func() *client.GetMetricStatisticsInput {
				in := statistics(-time.Minute, time.Minute, "Sum", "SampleCount")
				in.Dimensions = dim("d", "1")
				return in
			}()))(t)
			if len(out.Datapoints) != 1 || *out.Datapoints[0].Sum != 3.5 || !out.Datapoints[0].Timestamp.Equal(start.Truncate(time.Minute)) {
				t.Errorf("statistics: %+v", out)
			}
			data := must(w.GetMetricData(t.Context(), lastHour(metric("m1", 60, "Maximum", "d", "1"))))(t)
			if got := told(data.MetricDataResults); got != "m1 (m) Complete: 0=2" {
				t.Errorf("data: %s", got)
			}
			if n := len(must(w.ListMetrics(t.Context(), &client.ListMetricsInput{}))(t).Metrics); n != 1 {
				t.Errorf("%d metrics", n)
			}
			w.alarm("a")
			a := must(w.DescribeAlarms(t.Context(), named("a")))(t).MetricAlarms[0]
			if *a.Threshold != 50 || !*a.ActionsEnabled || !a.StateUpdatedTimestamp.Equal(start) || len(a.Dimensions) != 2 {
				t.Errorf("alarm: %+v", a)
			}
			_, err := w.GetMetricStatistics(t.Context(), statistics(0, 0))
			if typed := new(types.InvalidParameterCombinationException); !errors.As(err, &typed) {
				t.Errorf("got %T, want an InvalidParameterCombinationException", errors.Unwrap(errors.Unwrap(err)))
			}
			_, err = w.SetAlarmState(t.Context(), &client.SetAlarmStateInput{AlarmName: aws.String("b"), StateValue: types.StateValueOk, StateReason: aws.String("r")})
			if typed := new(types.ResourceNotFound); !errors.As(err, &typed) {
				t.Errorf("got %v, want ResourceNotFound", err)
			}
			_, err = w.PutMetricAlarm(t.Context(), &client.PutMetricAlarmInput{})
			wantError(t, err, tc.validation)
		})
	}
}

// TestJSON sends what boto3 and the aws CLI send.
func TestJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.json("PutMetricData", `{"Namespace":"Own","MetricData":[{"MetricName":"m","Value":1.5,"Timestamp":1772366400.25}]}`); got.status != 200 || got.body != "{}" {
		t.Errorf("put: %+v", got)
	}
	got := w.json("GetMetricData", `{"StartTime":1772362800,"EndTime":1772366460,"MetricDataQueries":[{"Id":"m1","MetricStat":{"Metric":{"Namespace":"Own","MetricName":"m"},"Period":60,"Stat":"Sum"}}]}`)
	want := `{"Messages":[],"MetricDataResults":[{"Id":"m1","Label":"m","StatusCode":"Complete","Timestamps":[1772366400],"Values":[1.5]}]}`
	if got.body != want {
		t.Errorf("data: got %s\nwant %s", got.body, want)
	}
	for _, tc := range []struct {
		operation, body, code, header string
		status                        int
	}{
		{"PutMetricData", `{"Namespace":"AWS/EC2"}`, "InvalidParameterValueException", "InvalidParameterValue;Sender", 400},
		{"PutMetricData", `{}`, "MissingRequiredParameterException", "MissingParameter;Sender", 400},
		{"PutMetricData", `{"Namespace":"Own","MetricData":[{"MetricName":"m","Value":"NaN"}]}`, "InvalidParameterValueException", "InvalidParameterValue;Sender", 400},
		{"SetAlarmState", `{"AlarmName":"a","StateValue":"OK","StateReason":"r"}`, "ResourceNotFound", "ResourceNotFound;Sender", 404},
		{"SetAlarmState", `{"AlarmName":"a","StateValue":"OK","StateReason":"r","StateReasonData":"{"}`, "InvalidFormatFault", "InvalidFormat;Sender", 400},
		{"PutMetricAlarm", `{"AlarmName":"a"}`, "ValidationError", "ValidationError;Sender", 400},
		{"PutMetricAlarm", `{"AlarmName":1}`, "SerializationException", "MalformedInput;Sender", 400},
		{"DescribeAlarms", `{"NextToken":"x"}`, "InvalidNextToken", "InvalidNextToken;Sender", 400},
	} {
		got := w.json(tc.operation, tc.body)
		var e struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(got.body), &e); err != nil {
			t.Fatal(err)
		}
		if got.status != tc.status || e.Type != tc.code || e.Message == "" || got.header.Get("X-Amzn-Query-Error") != tc.header {
			t.Errorf("%s %s: got %+v", tc.operation, tc.body, got)
		}
	}
}

// TestJSONCompressed sends a compressed body, as boto3 does with large ones.
func TestJSONCompressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = z.Write([]byte(`{"Namespace":"Own","MetricData":[{"MetricName":"m","Value":1}]}`))
	_ = z.Close()
	if got := w.json("PutMetricData", body.String(), "Content-Encoding", "gzip"); got.status != 200 || len(w.kept.data) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestQuery sends what older clients send.
func TestQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.query("PutMetricData", "Namespace=Own&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1.5&"+
		"MetricData.member.1.Timestamp=2026-03-01T12%3A00%3A00Z&MetricData.member.1.Dimensions.member.1.Name=d&MetricData.member.1.Dimensions.member.1.Value=1"); got.status != 200 {
		t.Errorf("put: %+v", got)
	}
	got := w.query("ListMetrics", "Namespace=Own")
	const want = `<ListMetricsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><ListMetricsResult><Metrics><member>` +
		`<Dimensions><member><Name>d</Name><Value>1</Value></member></Dimensions><MetricName>m</MetricName><Namespace>Own</Namespace></member></Metrics></ListMetricsResult>`
	if got.status != 200 || !strings.HasPrefix(got.body, want) {
		t.Errorf("list: %+v", got)
	}
	got = w.query("PutMetricAlarm", "AlarmName=a&Namespace=Own&MetricName=m&Period=60&EvaluationPeriods=1&Threshold=1&ComparisonOperator=GreaterThanThreshold&"+
		"Statistic=Sum&ActionsEnabled=false&AlarmActions.member.1="+strings.ReplaceAll(hook, ":", "%3A"))
	if got.status != 200 {
		t.Errorf("alarm: %+v", got)
	}
	a := must(w.DescribeAlarms(t.Context(), named("a")))(t).MetricAlarms[0]
	if *a.ActionsEnabled || a.AlarmActions[0] != hook {
		t.Errorf("alarm: %+v", a)
	}
	got = w.query("PutMetricData", "Namespace=AWS%2FEC2")
	var e struct {
		Error struct{ Type, Code, Message string }
	}
	if err := xml.Unmarshal([]byte(got.body), &e); err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusBadRequest || e.Error.Type != "Sender" || e.Error.Code != "InvalidParameterValue" || e.Error.Message == "" {
		t.Errorf("error: %+v", got)
	}
}
