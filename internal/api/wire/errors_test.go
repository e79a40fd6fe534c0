package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
)

const boom = `it went <boom> & "bust" at ü`

// apiError is what a client sees of an error.
type apiError struct {
	Code, Message string
	Status        int
	RequestID     bool
	Type          string // the Go type
}

func seenBy(err error) apiError {
	var seen apiError
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		seen.Code, seen.Message, seen.Type = api.ErrorCode(), api.ErrorMessage(), reflect.TypeOf(api).String()
	} else {
		seen.Message = fmt.Sprint(err)
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		seen.Status = response.HTTPStatusCode()
	}
	var id interface{ ServiceRequestID() string }
	seen.RequestID = errors.As(err, &id) && id.ServiceRequestID() != ""
	return seen
}

// TestECSExceptions sends every exception that the ECS module ships a fixture of.
func TestECSExceptions(t *testing.T) {
	t.Parallel()
	h, e := newEcho(t, dialectNamed(t, "ecs/json-1.1"))
	for _, f := range fixtures(t, "ecs", "error") {
		shape, known := ecs.TypeRegistry.DeserializableError(f.name)
		if !known {
			t.Errorf("%s: the client does not know it", f.name)
			continue
		}
		e.err = &Error{Code: f.name, Message: boom}
		_, err := ecsClient(h).ListClusters(context.Background(), &ecs.ListClustersInput{})
		want := apiError{Code: f.name, Message: boom, Status: 400, RequestID: true, Type: reflect.TypeOf(shape).String()}
		if diff := cmp.Diff(want, seenBy(err)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", f.name, diff)
		}
	}
}

// typedError is an error that a dialect's client must give back as a Go type.
type typedError struct {
	dialect string
	send    *Error
	call    func(http.Handler) error
	want    apiError
	typed   any
}

func describeAlarms(h http.Handler, p Protocol) error {
	_, err := cloudwatchClient(h, p).DescribeAlarms(context.Background(), nil)
	return err
}

var typedErrors = []typedError{
	{
		"elbv2/query", &Error{Code: "TargetGroupNotFound"},
		func(h http.Handler) error {
			_, err := elbClient(h).DescribeTargetGroups(context.Background(), &elasticloadbalancingv2.DescribeTargetGroupsInput{})
			return err
		},
		apiError{Code: "TargetGroupNotFound", Status: 400},
		new(*elbtypes.TargetGroupNotFoundException),
	},
	{
		"sts/query", &Error{Code: "MalformedPolicyDocument"},
		func(h http.Handler) error {
			_, err := stsClient(h).AssumeRole(context.Background(), &sts.AssumeRoleInput{RoleArn: aws.String("r"), RoleSessionName: aws.String("s")})
			return err
		},
		apiError{Code: "MalformedPolicyDocument", Status: 400},
		new(*ststypes.MalformedPolicyDocumentException),
	},
	{
		"autoscaling/json-1.1", &Error{Code: "ObjectNotFoundException"},
		func(h http.Handler) error {
			_, err := autoscalingClient(h).DeregisterScalableTarget(context.Background(), &applicationautoscaling.DeregisterScalableTargetInput{})
			return err
		},
		apiError{Code: "ObjectNotFoundException", Status: 400},
		new(*autoscalingtypes.ObjectNotFoundException),
	},
	{
		"logs/json-1.1", &Error{Code: "ResourceNotFoundException"},
		func(h http.Handler) error {
			_, err := logsClient(h).GetLogEvents(context.Background(), &cloudwatchlogs.GetLogEventsInput{})
			return err
		},
		apiError{Code: "ResourceNotFoundException", Status: 400},
		new(*logstypes.ResourceNotFoundException),
	},
	{
		"cloudwatch/cbor", &Error{Code: "LimitExceededFault"},
		func(h http.Handler) error { return describeAlarms(h, ProtocolCBOR) },
		apiError{Code: "LimitExceeded", Status: 400},
		new(*cloudwatchtypes.LimitExceededFault),
	},
	{
		"cloudwatch/json-1.0", &Error{Code: "LimitExceededFault"},
		func(h http.Handler) error { return describeAlarms(h, ProtocolJSON) },
		apiError{Code: "LimitExceeded", Status: 400},
		new(*cloudwatchtypes.LimitExceededFault),
	},
	{
		"cloudwatch/query", &Error{Code: "LimitExceededFault"},
		func(h http.Handler) error { return describeAlarms(h, ProtocolQuery) },
		// This client names the shape here and not the code of the wire.
		apiError{Code: "LimitExceededFault", Status: 400},
		new(*cloudwatchtypes.LimitExceededFault),
	},
	{
		"cloudwatch/cbor", &Error{Code: "InternalServiceFault", Fault: Receiver},
		func(h http.Handler) error { return describeAlarms(h, ProtocolCBOR) },
		apiError{Code: "InternalServiceError", Status: 500},
		new(*cloudwatchtypes.InternalServiceFault),
	},
	{
		"cloudwatch/json-1.0", &Error{Code: "DashboardNotFoundError"},
		func(h http.Handler) error {
			_, err := cloudwatchClient(h, ProtocolJSON).GetDashboard(context.Background(), &cloudwatch.GetDashboardInput{})
			return err
		},
		apiError{Code: "ResourceNotFound", Status: 404},
		new(*cloudwatchtypes.DashboardNotFoundError),
	},
}

// TestTypedErrors sends samples of all other dialects.
func TestTypedErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range typedErrors {
		t.Run(tc.dialect+"/"+tc.send.Code, func(t *testing.T) {
			t.Parallel()
			h, e := newEcho(t, dialectNamed(t, tc.dialect))
			sent := *tc.send
			sent.Message = boom
			e.err = &sent
			err := tc.call(h)
			got := seenBy(err)
			tc.want.Message, tc.want.RequestID, tc.want.Type = boom, true, got.Type
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if !errors.As(err, tc.typed) {
				t.Errorf("error = %#v, want a %T", err, tc.typed)
			}
		})
	}
}

func TestErrorFields(t *testing.T) {
	t.Parallel()
	h, e := newEcho(t, dialectNamed(t, "ecs/json-1.1"))
	ids := []string{"arn:1", "arn:2"}
	e.err = fmt.Errorf("run task: %w", &Error{Code: "ConflictException", Message: boom, Fields: map[string]any{"resourceIds": ids}})
	_, err := ecsClient(h).RunTask(context.Background(), &ecs.RunTaskInput{})
	var conflict *ecstypes.ConflictException
	if !errors.As(err, &conflict) {
		t.Fatalf("error = %v, want a ConflictException", err)
	}
	if diff := cmp.Diff(ids, conflict.ResourceIds); diff != "" {
		t.Errorf("resourceIds (-want +got):\n%s", diff)
	}
}

// TestErrorFieldsThatCannotBeWritten still answers the error, without them.
func TestErrorFieldsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ecs/json-1.1", "cloudwatch/cbor", "elbv2/query"} {
		d := dialectNamed(t, name)
		h, e := newEcho(t, d)
		e.err = &Error{Code: "Odd", Message: boom, Fields: map[string]any{"odd": make(chan int)}}
		op := d.operations()[0]
		_, err := invoke(d.client(h), op.Name, reflect.New(op.Input).Interface())
		if got := seenBy(err); got.Code != "Odd" || got.Message != boom || got.Status != 400 {
			t.Errorf("%s: error = %+v, want Odd, 400", name, got)
		}
	}
}

// TestInternalErrors: what is not an *Error is hidden from the caller and logged
// once, and so is a panic, with its stack.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	handlers := map[string]func(context.Context, *Request, *ecs.ListClustersInput) (*ecs.ListClustersOutput, error){
		"secret error": func(context.Context, *Request, *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
			return nil, errors.New("secret error")
		},
		"secret panic": func(context.Context, *Request, *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
			panic("secret panic")
		},
		"neither an output nor an error": func(context.Context, *Request, *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
			return nil, nil
		},
	}
	for logged, handle := range handlers {
		var log bytes.Buffer
		service := ecsService
		service.Ops = []Operation{Op("ListClusters", handle)}
		h := newTestHandler(t, Config{
			Log:          slog.New(slog.NewJSONHandler(&log, nil)),
			NewRequestID: func() string { return "id-1" },
		}, &service)
		w := serve(h, ecsRequest("ListClusters", "{}"))
		want := map[string]any{
			"__type":  "ServerException",
			"message": "The request failed because of an internal error.",
			"Message": "The request failed because of an internal error.",
		}
		if diff := cmp.Diff(want, jsonTree(t, w.Body.Bytes())); w.Code != 500 || diff != "" {
			t.Errorf("%s: status %d, want 500; body (-want +got):\n%s", logged, w.Code, diff)
		}
		var line map[string]any
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Errorf("%s: log is not one line: %v:\n%s", logged, err, log.String())
			continue
		}
		if line["requestId"] != "id-1" || line["operation"] != "ListClusters" || line["service"] != "ecs" {
			t.Errorf("%s: log line = %v, want the request in it", logged, line)
		}
		if !strings.Contains(log.String(), logged) {
			t.Errorf("%s: log line = %v, want the cause in it", logged, line)
		}
		if stack, _ := line["stack"].(string); logged == "secret panic" && !strings.Contains(stack, "TestInternalErrors") {
			t.Errorf("%s: stack = %q, want the place of the panic in it", logged, stack)
		}
	}
}

func TestAbortIsNoAnswer(t *testing.T) {
	t.Parallel()
	service := ecsService
	service.Ops = []Operation{Op("ListClusters",
		func(context.Context, *Request, *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
			panic(http.ErrAbortHandler)
		})}
	h := newTestHandler(t, Config{}, &service)
	defer func() {
		got, _ := recover().(error)
		if !errors.Is(got, http.ErrAbortHandler) {
			t.Errorf("recovered %v, want http.ErrAbortHandler", got)
		}
	}()
	serve(h, ecsRequest("ListClusters", "{}"))
	t.Error("the handler answered, want a panic")
}

func newTestHandler(tb testing.TB, config Config, services ...*Service) *Handler {
	tb.Helper()
	h, err := NewHandler(config, services...)
	if err != nil {
		tb.Fatalf("NewHandler = %v, want no error", err)
	}
	return h
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func ecsRequest(operation, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", ecsService.TargetPrefix+"."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	return r
}
