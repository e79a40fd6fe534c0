package wire

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwschemas "github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// dialect is one real SDK client speaking one protocol to a handler.
type dialect struct {
	name     string
	protocol Protocol
	service  Service // without operations
	client   func(http.Handler) any
}

func (d dialect) operations() []ClientOperation {
	return ClientOperations(reflect.TypeOf(d.client(nil)))
}

// The descriptions of the services, as their own packages would give them.
var (
	ecsService = Service{
		Name: "ecs", SigningNames: []string{"ecs"}, TargetPrefix: "AmazonEC2ContainerServiceV20141113",
		JSONVersion: "1.1", Naming: codec.LowerFirst, InternalCode: "ServerException",
	}
	logsService = Service{
		Name: "logs", SigningNames: []string{"logs"}, TargetPrefix: "Logs_20140328",
		JSONVersion: "1.1", Naming: codec.LowerFirst,
	}
	autoscalingService = Service{
		Name: "autoscaling", SigningNames: []string{"application-autoscaling"}, TargetPrefix: "AnyScaleFrontendService",
		JSONVersion: "1.1",
	}
	elbService = Service{
		Name: "elbv2", SigningNames: []string{"elasticloadbalancing"}, QueryVersion: "2015-12-01",
		Namespace: "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
	}
	stsService = Service{
		Name: "sts", SigningNames: []string{"sts"}, QueryVersion: "2011-06-15",
		Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
	}
	cloudwatchService = Service{
		Name: "cloudwatch", SigningNames: []string{"monitoring"}, TargetPrefix: "GraniteServiceVersion20100801",
		JSONVersion: "1.0", CBOR: true, QueryVersion: "2010-08-01",
		Namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
		Errors: map[string]ErrorModel{
			"LimitExceededFault":     {QueryCode: "LimitExceeded"},
			"ResourceNotFound":       {HTTPStatus: http.StatusNotFound},
			"InternalServiceFault":   {HTTPStatus: http.StatusInternalServerError, QueryCode: "InternalServiceError"},
			"DashboardNotFoundError": {HTTPStatus: http.StatusNotFound, QueryCode: "ResourceNotFound"},
		},
	}
)

var dialects = []dialect{
	{"ecs/json-1.1", ProtocolJSON, ecsService, func(h http.Handler) any { return ecsClient(h) }},
	{"logs/json-1.1", ProtocolJSON, logsService, func(h http.Handler) any { return logsClient(h) }},
	{"autoscaling/json-1.1", ProtocolJSON, autoscalingService, func(h http.Handler) any { return autoscalingClient(h) }},
	{"elbv2/query", ProtocolQuery, elbService, func(h http.Handler) any { return elbClient(h) }},
	{"sts/query", ProtocolQuery, stsService, func(h http.Handler) any { return stsClient(h) }},
	{"cloudwatch/cbor", ProtocolCBOR, cloudwatchService, func(h http.Handler) any { return cloudwatchClient(h, ProtocolCBOR) }},
	{"cloudwatch/json-1.0", ProtocolJSON, cloudwatchService, func(h http.Handler) any { return cloudwatchClient(h, ProtocolJSON) }},
	{"cloudwatch/query", ProtocolQuery, cloudwatchService, func(h http.Handler) any { return cloudwatchClient(h, ProtocolQuery) }},
}

const testRegion = "eu-test-7"

var (
	baseEndpoint = aws.String("http://127.0.0.1:1")
	credentials  = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "secret"}, nil
	})
	// withoutValidation lets inputs without their required members through.
	withoutValidation = []func(*middleware.Stack) error{func(s *middleware.Stack) error {
		_, _ = s.Initialize.Remove("OperationInputValidation")
		return nil
	}}
)

func ecsClient(h http.Handler) *ecs.Client {
	return ecs.New(ecs.Options{
		Region: testRegion, Credentials: credentials, HTTPClient: inProcess{h}, BaseEndpoint: baseEndpoint,
		Retryer: aws.NopRetryer{}, APIOptions: withoutValidation,
	})
}

func logsClient(h http.Handler) *cloudwatchlogs.Client {
	return cloudwatchlogs.New(cloudwatchlogs.Options{
		Region: testRegion, Credentials: credentials, HTTPClient: inProcess{h}, BaseEndpoint: baseEndpoint,
		Retryer: aws.NopRetryer{}, APIOptions: withoutValidation,
	})
}

func autoscalingClient(h http.Handler) *applicationautoscaling.Client {
	return applicationautoscaling.New(applicationautoscaling.Options{
		Region: testRegion, Credentials: credentials, HTTPClient: inProcess{h}, BaseEndpoint: baseEndpoint,
		Retryer: aws.NopRetryer{}, APIOptions: withoutValidation,
	})
}

func elbClient(h http.Handler) *elasticloadbalancingv2.Client {
	return elasticloadbalancingv2.New(elasticloadbalancingv2.Options{
		Region: testRegion, Credentials: credentials, HTTPClient: inProcess{h}, BaseEndpoint: baseEndpoint,
		Retryer: aws.NopRetryer{}, APIOptions: withoutValidation,
	})
}

func stsClient(h http.Handler) *sts.Client {
	return sts.New(sts.Options{
		Region: testRegion, Credentials: credentials, HTTPClient: inProcess{h}, BaseEndpoint: baseEndpoint,
		Retryer: aws.NopRetryer{}, APIOptions: withoutValidation,
	})
}

func cloudwatchClient(h http.Handler, p Protocol) *cloudwatch.Client {
	return cloudwatch.New(cloudwatch.Options{
		Region: testRegion, Credentials: credentials, HTTPClient: inProcess{h}, BaseEndpoint: baseEndpoint,
		Retryer: aws.NopRetryer{}, APIOptions: withoutValidation,
	}, func(o *cloudwatch.Options) {
		switch p {
		case ProtocolJSON:
			o.Protocol = awsjson.New10(cwschemas.GraniteServiceVersion20100801)
		case ProtocolQuery:
			o.Protocol = awsquery.New(cwschemas.GraniteServiceVersion20100801)
		}
	})
}

// inProcess hands a client's requests to a handler without a network.
type inProcess struct{ handler http.Handler }

func (p inProcess) Do(r *http.Request) (*http.Response, error) {
	served := r.Clone(r.Context())
	served.RemoteAddr = "192.0.2.1:1234"
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, served)
	return w.Result(), nil
}

// echo is what the operations of an echo service take and give.
type echo struct {
	mu      sync.Mutex
	request *Request
	input   any
	output  any
	err     error
}

func (e *echo) handle(_ context.Context, r *Request, in any) (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.request, e.input = r, in
	return e.output, e.err
}

// newEcho returns a handler whose every operation of the dialect's client records
// its input and answers what the echo says.
func newEcho(tb testing.TB, d dialect) (*Handler, *echo) {
	tb.Helper()
	e := &echo{}
	service := d.service
	for _, op := range d.operations() {
		service.Ops = append(service.Ops, Operation{name: op.Name, in: op.Input, out: op.Output, call: e.handle})
	}
	h, err := NewHandler(Config{}, &service)
	if err != nil {
		tb.Fatalf("NewHandler(%s) = %v, want no error", d.name, err)
	}
	return h, e
}

// invoke calls an operation of an SDK client by name.
func invoke(client any, op string, in any) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the client panicked: %v", p)
		}
	}()
	results := reflect.ValueOf(client).MethodByName(op).Call([]reflect.Value{
		reflect.ValueOf(context.Background()), reflect.ValueOf(in),
	})
	err, _ = reflect.TypeAssert[error](results[1])
	return results[0].Interface(), err
}
