package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// smallServices are three services with few operations, for requests by hand.
func smallServices(seen *Request) []*Service {
	note := func(r *Request) {
		if seen != nil {
			*seen = *r
		}
	}
	e, l, c, s := ecsService, elbService, cloudwatchService, stsService
	e.Ops = []Operation{
		Op("RegisterTaskDefinition", func(_ context.Context, r *Request, _ *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
			note(r)
			return &ecs.RegisterTaskDefinitionOutput{}, nil
		}),
		Refuse("CreateTaskSet", "UnsupportedFeatureException", "Task sets are not supported; use deployments."),
	}
	l.Ops = []Operation{
		Op("CreateRule", func(_ context.Context, r *Request, in *elb.CreateRuleInput) (*elb.CreateRuleOutput, error) {
			note(r)
			return &elb.CreateRuleOutput{}, nil
		}),
		Refuse("CreateTrustStore", "UnsupportedOperation", "Trust stores are not supported."),
	}
	c.Ops = []Operation{
		Op("PutMetricData", func(_ context.Context, r *Request, _ *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
			note(r)
			return &cloudwatch.PutMetricDataOutput{}, nil
		}),
	}
	s.Ops = []Operation{
		Op("GetCallerIdentity", func(_ context.Context, r *Request, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
			note(r)
			return &sts.GetCallerIdentityOutput{Account: aws.String("123456789012")}, nil
		}),
	}
	return []*Service{&e, &l, &c, &s}
}

func formRequest(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func cborRequest(path string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set(smithyProtocol, string(ProtocolCBOR))
	r.Header.Set("Content-Type", "application/cbor")
	return r
}

const putMetricData = "/service/GraniteServiceVersion20100801/operation/PutMetricData"

func with(r *http.Request, header, value string) *http.Request {
	r.Header.Set(header, value)
	return r
}

func deep(open, inner, shut string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
}

// TestRefusedRequests: what is wrong is answered in the caller's protocol, with a
// code that AWS uses and a text that names the place.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{BodyBytesMax: 4096, NewRequestID: func() string { return "id-7" }}, smallServices(nil)...)
	const register, action = "RegisterTaskDefinition", "Version=2015-12-01&Action=CreateRule"
	long := strings.Repeat("x", 5000)
	for _, tc := range []struct {
		name   string
		r      *http.Request
		status int
		code   string
		text   string // part of the message
	}{
		{"json unknown operation", ecsRequest("MakeCoffee", "{}"), 400, "UnknownOperationException", "MakeCoffee"},
		{"json unknown service", with(ecsRequest(register, "{}"), "X-Amz-Target", "CodeDeploy_20141006.GetApplication"), 400, "UnknownOperationException", "served are: ecs, elbv2, cloudwatch, sts"},
		{"json target without a dot", with(ecsRequest(register, "{}"), "X-Amz-Target", "nonsense"), 400, "UnknownOperationException", "nonsense"},
		{"json refused", ecsRequest("CreateTaskSet", "{}"), 400, "UnsupportedFeatureException", "use deployments"},
		{"json syntax", ecsRequest(register, `{"family":`), 400, "SerializationException", "malformed JSON at byte 10"},
		{"json not an object", ecsRequest(register, `[]`), 400, "SerializationException", "expected an object, got a list"},
		{"json null", ecsRequest(register, `null`), 400, "SerializationException", "expected an object, got null"},
		{"json text after the end", ecsRequest(register, `{} {}`), 400, "SerializationException", "after the end"},
		{"json string for a number", ecsRequest(register, `{"containerDefinitions":[{},{"cpu":"1"}]}`), 400, "SerializationException", "containerDefinitions[1].cpu: expected an integer, got a string"},
		{"json number for a string", ecsRequest(register, `{"family":1}`), 400, "SerializationException", "family: expected a string, got a number"},
		{"json fraction for an integer", ecsRequest(register, `{"ephemeralStorage":{"sizeInGiB":1.5}}`), 400, "SerializationException", `ephemeralStorage.sizeInGiB: expected an integer, got "1.5"`},
		{"json integer too large", ecsRequest(register, `{"ephemeralStorage":{"sizeInGiB":2147483648}}`), 400, "SerializationException", "ephemeralStorage.sizeInGiB: 2147483648 is out of the range"},
		{"json null in a list", ecsRequest(register, `{"requiresCompatibilities":[null]}`), 400, "SerializationException", "requiresCompatibilities[0]: expected a string, got null"},
		{"json value of a map", ecsRequest(register, `{"containerDefinitions":[{"dockerLabels":{"a b":1}}]}`), 400, "SerializationException", `containerDefinitions[0].dockerLabels["a b"]: expected a string`},
		{"json boolean", ecsRequest(register, `{"enableFaultInjection":"true"}`), 400, "SerializationException", "enableFaultInjection: expected a boolean, got a string"},
		{"json too deep", ecsRequest(register, `{"unknown":`+deep("[", "", "]", 100)+`}`), 400, "SerializationException", "too deep"},
		{"json too large", ecsRequest(register, `{"family":"`+long+`"}`), 413, "RequestEntityTooLarge", "4096 bytes"},
		{"json method", func() *http.Request { r := ecsRequest(register, "{}"); r.Method = http.MethodPut; return r }(), 405, "MethodNotAllowed", "use POST"},
		{"json encoding", with(ecsRequest(register, "{}"), "Content-Encoding", "br"), 415, "SerializationException", `"br" is not supported`},
		{"json broken gzip", with(ecsRequest(register, "{}"), "Content-Encoding", "gzip"), 400, "SerializationException", "cannot be read"},
		{"json bad region", with(ecsRequest(register, "{}"), "Authorization", "AWS4-HMAC-SHA256 Credential=A/20260101/../ecs/aws4_request, Signature=x"), 400, "InvalidSignatureException", "valid region"},

		{"query unknown action", formRequest("Version=2015-12-01&Action=MakeCoffee"), 400, "InvalidAction", "MakeCoffee"},
		{"query unknown version", formRequest("Version=2012-06-01&Action=CreateRule"), 400, "InvalidAction", "2012-06-01"},
		{"query no version, no scope", formRequest("Action=CreateRule"), 400, "InvalidAction", "CreateRule"},
		{"query no action", formRequest("Version=2015-12-01"), 400, "MissingAction", "no Action"},
		{"query refused", formRequest("Version=2015-12-01&Action=CreateTrustStore"), 400, "UnsupportedOperation", "Trust stores"},
		{"query syntax", formRequest(action + "&A=%zz"), 400, "MalformedQueryString", `invalid URL escape "%zz"`},
		{"query number", formRequest(action + "&Priority=first"), 400, "MalformedInput", `Priority: expected an integer, got "first"`},
		{"query nested number", formRequest(action + "&Actions.member.3.Order=1&Actions.member.7.Order=x"), 400, "MalformedInput", `Actions[1].Order`},
		{"query not a number in a list", formRequest(action + "&Actions.member.x.Order=1"), 400, "MalformedInput", `Actions: expected a number in the name`},
		{"query bool", formRequest(action + "&Actions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled=1"), 400, "MalformedInput", `TargetGroupStickinessConfig.Enabled: expected true or false`},
		{"query too deep", formRequest(action + "&" + deep("a.", "b", "", 100) + "=1"), 400, "MalformedQueryString", "too deep"},
		{"query too large", formRequest(action + "&a=" + long), 413, "RequestEntityTooLarge", "4096 bytes"},
		{"query method", func() *http.Request { r := formRequest(""); r.Method = http.MethodDelete; return r }(), 405, "MethodNotAllowed", "use GET, POST"},
		{
			"query signed for another service",
			with(httptest.NewRequest(http.MethodPut, "/bucket", nil), "Authorization", "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, Signature=x"),
			400, "InvalidAction", "not served here; served are: ecs",
		},
		{"query browser", httptest.NewRequest(http.MethodGet, "/", nil), 400, "MissingAction", "served are: ecs"},

		{"cbor unknown operation", cborRequest("/service/GraniteServiceVersion20100801/operation/MakeCoffee", nil), 400, "UnknownOperationException", "MakeCoffee"},
		{"cbor unknown service", cborRequest("/service/Foo/operation/Bar", nil), 400, "UnknownOperationException", `"Foo"`},
		{"cbor service without cbor", cborRequest("/service/AmazonEC2ContainerServiceV20141113/operation/RegisterTaskDefinition", nil), 400, "UnknownOperationException", "rpc-v2-cbor"},
		{"cbor path", cborRequest("/", nil), 400, "UnknownOperationException", "/service/SERVICE/operation/OPERATION"},
		{"cbor syntax", cborRequest(putMetricData, []byte{0xa1, 0x61}), 400, "SerializationException", "malformed CBOR"},
		{"cbor bytes after the end", cborRequest(putMetricData, []byte{0xa0, 0xa0}), 400, "SerializationException", "after the end"},
		{"cbor type", cborRequest(putMetricData, cbor.Encode(cbor.Map{"MetricData": cbor.List{cbor.Map{"Value": cbor.String("1")}}})), 400, "SerializationException", "MetricData[0].Value: expected a number, got a string"},
		{"cbor time", cborRequest(putMetricData, cbor.Encode(cbor.Map{"MetricData": cbor.List{cbor.Map{"Timestamp": cbor.Uint(1)}}})), 400, "SerializationException", "MetricData[0].Timestamp: expected a timestamp, got a number"},
		{"cbor too deep", cborRequest(putMetricData, []byte(strings.Repeat("\x81", 100)+"\x00")), 400, "SerializationException", "too deep"},
		{"cbor too large", cborRequest(putMetricData, make([]byte, 5000)), 413, "RequestEntityTooLarge", "4096 bytes"},
		{"cbor method", func() *http.Request { r := cborRequest(putMetricData, nil); r.Method = http.MethodGet; return r }(), 405, "MethodNotAllowed", "use POST"},
		{"smithy protocol", with(cborRequest(putMetricData, nil), smithyProtocol, "rpc-v2-json"), 400, "UnknownOperationException", "rpc-v2-json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := serve(h, tc.r)
			code, message := readError(t, w)
			if w.Code != tc.status || code != tc.code || !strings.Contains(message, tc.text) {
				t.Errorf("got %d %s %q, want %d %s and a text with %q", w.Code, code, message, tc.status, tc.code, tc.text)
			}
			if got := w.Header().Get("X-Amzn-RequestId"); got != "id-7" {
				t.Errorf("request id = %q, want id-7", got)
			}
			if got := w.Header().Get("Allow"); (got != "") != (tc.status == 405) {
				t.Errorf("Allow = %q with status %d", got, tc.status)
			}
		})
	}
}

// readError reads code and message of an error, by the type of the answer.
func readError(t *testing.T, w *httptest.ResponseRecorder) (code, message string) {
	t.Helper()
	switch contentType := w.Header().Get("Content-Type"); contentType {
	case "application/x-amz-json-1.0", "application/x-amz-json-1.1":
		tree := jsonTree(t, w.Body.Bytes()).(map[string]any)
		if tree["message"] != tree["Message"] || w.Header().Get("X-Amzn-ErrorType") != tree["__type"] {
			t.Errorf("spellings of the error differ: %s, header %v", w.Body, w.Header())
		}
		return tree["__type"].(string), tree["message"].(string)
	case "application/cbor":
		tree := cborTree(t, w.Body.Bytes()).(cbor.Map)
		return string(tree["__type"].(cbor.String)), string(tree["message"].(cbor.String))
	case "text/xml":
		return between(w.Body.String(), "<Code>", "</Code>"), unescapeXML(between(w.Body.String(), "<Message>", "</Message>"))
	default:
		t.Fatalf("content type %q of %s", contentType, w.Body)
		return "", ""
	}
}

func between(s, open, shut string) string {
	_, s, _ = strings.Cut(s, open)
	s, _, _ = strings.Cut(s, shut)
	return s
}

func unescapeXML(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&amp;", "&").Replace(s)
}

func TestRequestIsDescribed(t *testing.T) {
	t.Parallel()
	const authorization = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-3/%s/aws4_request, SignedHeaders=host, Signature=abc"
	ecsCall := Request{Service: "ecs", Operation: "RegisterTaskDefinition", Protocol: ProtocolJSON}
	sign := func(r *http.Request, service string) *http.Request {
		return with(r, "Authorization", fmt.Sprintf(authorization, service))
	}
	as := func(r Request, region, key string) Request {
		r.Region, r.AccessKeyID, r.RequestID, r.RemoteAddr = region, key, "id", "192.0.2.1:1234"
		return r
	}
	identity := Request{Service: "sts", Operation: "GetCallerIdentity", Protocol: ProtocolQuery}
	for _, tc := range []struct {
		name string
		r    *http.Request
		want Request
	}{
		{"unsigned", ecsRequest("RegisterTaskDefinition", "{}"), as(ecsCall, "us-east-1", "")},
		{"empty body", ecsRequest("RegisterTaskDefinition", ""), as(ecsCall, "us-east-1", "")},
		{"signed", sign(ecsRequest("RegisterTaskDefinition", "{}"), "ecs"), as(ecsCall, "eu-west-3", "AKID")},
		{"other scheme", with(ecsRequest("RegisterTaskDefinition", "{}"), "Authorization", "Bearer abc"), as(ecsCall, "us-east-1", "")},
		{"short scope", with(ecsRequest("RegisterTaskDefinition", "{}"), "Authorization", "AWS4-HMAC-SHA256 Credential=AKID, x"), as(ecsCall, "us-east-1", "AKID")},
		{"form by version", formRequest("Action=GetCallerIdentity&Version=2011-06-15"), as(identity, "us-east-1", "")},
		{"form by scope", sign(formRequest("Action=GetCallerIdentity"), "sts"), as(identity, "eu-west-3", "AKID")},
		{"get", httptest.NewRequest(http.MethodGet, "/?Action=GetCallerIdentity&Version=2011-06-15", nil), as(identity, "us-east-1", "")},
		{"presigned", httptest.NewRequest(http.MethodGet, "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=AKID%2F20260101%2Feu-west-3%2Fsts%2Faws4_request", nil), as(identity, "eu-west-3", "AKID")},
		{"action in the URL of a post", httptest.NewRequest(http.MethodPost, "/?Action=GetCallerIdentity&Version=2011-06-15", nil), as(identity, "us-east-1", "")},
		{"cbor", sign(cborRequest(putMetricData, []byte{0xa0}), "monitoring"), as(Request{Service: "cloudwatch", Operation: "PutMetricData", Protocol: ProtocolCBOR}, "eu-west-3", "AKID")},
		{"cbor below a path", cborRequest("/aws"+putMetricData, nil), as(Request{Service: "cloudwatch", Operation: "PutMetricData", Protocol: ProtocolCBOR}, "us-east-1", "")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got Request
			h := newTestHandler(t, Config{NewRequestID: func() string { return "id" }}, smallServices(&got)...)
			tc.want.BodyBytes = max(0, tc.r.ContentLength)
			w := serve(h, tc.r)
			if diff := cmp.Diff(tc.want, got); w.Code != 200 || diff != "" {
				t.Errorf("status %d, body %s, request (-want +got):\n%s", w.Code, w.Body, diff)
			}
		})
	}
}

func TestXMLAnswer(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{NewRequestID: func() string { return "id" }}, smallServices(nil)...)
	w := serve(h, formRequest("Action=GetCallerIdentity&Version=2011-06-15"))
	want := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">` +
		`<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>` +
		`<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	w = serve(h, formRequest("Action=Nothing&Version=2011-06-15"))
	want = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>` +
		`<Code>InvalidAction</Code><Message>The operation &#34;Nothing&#34; is not known to the service sts</Message></Error>` +
		`<RequestId>id</RequestId></ErrorResponse>`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

type (
	subnetFilter struct {
		Name   *string
		Values []string `wire:"Value"`
	}
	describeSubnetsInput struct {
		SubnetIds []string       `wire:"SubnetId"`
		Filters   []subnetFilter `wire:"Filter"`
	}
	subnet struct {
		ID *string `wire:"subnetId"`
	}
	describeSubnetsOutput struct {
		Subnets []subnet `wire:"subnetSet"`
	}
)

// TestEC2Query: the EC2 dialect, with structs of our own and names in tags.
func TestEC2Query(t *testing.T) {
	t.Parallel()
	var got *describeSubnetsInput
	service := &Service{
		Name: "ec2", SigningNames: []string{"ec2"}, QueryVersion: "2016-11-15", QueryStyle: codec.EC2Query,
		Namespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
		Ops: []Operation{
			Op("DescribeSubnets", func(_ context.Context, r *Request, in *describeSubnetsInput) (*describeSubnetsOutput, error) {
				got = in
				if r.Protocol != ProtocolEC2 {
					t.Errorf("protocol = %s, want %s", r.Protocol, ProtocolEC2)
				}
				return &describeSubnetsOutput{Subnets: []subnet{{aws.String("s-1")}, {aws.String("s-2")}}}, nil
			}),
			Refuse("RunInstances", "UnsupportedOperation", "No instances here."),
		},
	}
	h := newTestHandler(t, Config{NewRequestID: func() string { return "id" }}, service)
	w := serve(h, formRequest("Version=2016-11-15&Action=DescribeSubnets&SubnetId.1=s-1&SubnetId.2=s-2&Filter.1.Name=vpc-id&Filter.1.Value.1=v"))
	want := &describeSubnetsInput{
		SubnetIds: []string{"s-1", "s-2"},
		Filters:   []subnetFilter{{Name: aws.String("vpc-id"), Values: []string{"v"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	wantXML := `<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id</requestId>` +
		`<subnetSet><item><subnetId>s-1</subnetId></item><item><subnetId>s-2</subnetId></item></subnetSet></DescribeSubnetsResponse>`
	if diff := cmp.Diff(wantXML, w.Body.String()); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	w = serve(h, formRequest("Version=2016-11-15&Action=RunInstances"))
	wantXML = `<Response><Errors><Error><Code>UnsupportedOperation</Code><Message>No instances here.</Message></Error></Errors><RequestID>id</RequestID></Response>`
	if diff := cmp.Diff(wantXML, w.Body.String()); w.Code != 400 || diff != "" {
		t.Errorf("status %d, error (-want +got):\n%s", w.Code, diff)
	}
}

func gzipped(t *testing.T, body string) *bytes.Buffer {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := io.WriteString(z, body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &buf
}

func TestGzip(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, Config{BodyBytesMax: 1 << 20}, smallServices(nil)...)
	for _, tc := range []struct {
		name   string
		body   string
		status int
	}{
		{"small", `{"family":"f"}`, 200},
		{"just fits", `{"family":"` + strings.Repeat("x", 1<<20-13) + `"}`, 200},
		{"one byte too many", `{"family":"` + strings.Repeat("x", 1<<20-12) + `"}`, 413},
		{"bomb", strings.Repeat(" ", 64<<20), 413},
	} {
		r := ecsRequest("RegisterTaskDefinition", "")
		zipped := gzipped(t, tc.body)
		r.Body, r.ContentLength = io.NopCloser(zipped), int64(zipped.Len())
		if w := serve(h, with(r, "Content-Encoding", "gzip")); w.Code != tc.status {
			t.Errorf("%s: status = %d (%.200s), want %d", tc.name, w.Code, w.Body, tc.status)
		}
	}
}

// TestSDKCompresses: the real client compresses large metric data by itself.
func TestSDKCompresses(t *testing.T) {
	t.Parallel()
	h, e := newEcho(t, dialectNamed(t, "cloudwatch/cbor"))
	e.output = &cloudwatch.PutMetricDataOutput{}
	compressed := false
	client := cloudwatchClient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		compressed = r.Header.Get("Content-Encoding") == "gzip"
		h.ServeHTTP(w, r)
	}), ProtocolCBOR)
	in := &cloudwatch.PutMetricDataInput{Namespace: aws.String(strings.Repeat("n", 20000))}
	if _, err := client.PutMetricData(context.Background(), in); err != nil {
		t.Fatalf("PutMetricData = %v", err)
	}
	if diff := cmp.Diff(in, e.input, sameValue); !compressed || diff != "" {
		t.Errorf("compressed %v, want true; input (-sent +received):\n%s", compressed, diff)
	}
	if n := e.request.BodyBytes; n == 0 || n > 1000 {
		t.Errorf("the body has %d bytes, want the size of the compressed one", n)
	}
}

// TestOverTheNetwork runs the handler in a real server: chunked bodies over the
// limit, and the headers of an answer.
func TestOverTheNetwork(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newTestHandler(t, Config{BodyBytesMax: 1000}, smallServices(nil)...))
	defer server.Close()
	post := func(body io.Reader) (int, http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", ecsService.TargetPrefix+".RegisterTaskDefinition")
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode, response.Header
	}
	status, got := post(strings.NewReader("{}"))
	if status != http.StatusOK || got.Get("Content-Type") != "application/x-amz-json-1.1" ||
		got.Get("Server") != "" || len(got.Get("X-Amzn-Requestid")) != 36 {
		t.Errorf("status %d, header %v, want 200, JSON 1.1, no Server, a UUID", status, got)
	}
	// A reader of unknown length makes the body chunked.
	status, _ = post(io.MultiReader(strings.NewReader(`{"family":"`), strings.NewReader(strings.Repeat("x", 5000))))
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("status = %d, want 413", status)
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := newUUID()
		if len(id) != 36 || id[14] != '4' || seen[id] {
			t.Fatalf("id = %q, seen before: %v, want a new UUID of version 4", id, seen[id])
		}
		seen[id] = true
	}
}

func TestServiceTable(t *testing.T) {
	t.Parallel()
	got := smallServices(nil)[0].Table()
	want := []OpInfo{
		{Name: "CreateTaskSet", Status: StatusRefused, Error: "UnsupportedFeatureException"},
		{Name: "RegisterTaskDefinition", Status: StatusImplemented},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Table (-want +got):\n%s", diff)
	}
}

func TestClientOperations(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, d := range dialects {
		for _, op := range d.operations() {
			if op.Input.Name() != op.Name+"Input" || op.Output.Name() != op.Name+"Output" {
				t.Errorf("%s %s: %s, %s", d.name, op.Name, op.Input, op.Output)
			}
		}
		counts[d.service.Name] = len(d.operations())
	}
	// The versions of the SDK are pinned; a new operation must show up here.
	want := map[string]int{"ecs": 88, "elbv2": 51, "autoscaling": 14, "cloudwatch": 59, "logs": 118, "sts": 11}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func TestWrongServices(t *testing.T) {
	t.Parallel()
	valid := func(change func(*Service)) *Service {
		s := ecsService
		change(&s)
		return &s
	}
	op := Refuse("A", "B", "C")
	for name, services := range map[string][]*Service{
		"no name":              {valid(func(s *Service) { s.Name = "" })},
		"registered twice":     {valid(func(s *Service) { s.Ops = []Operation{op, op} })},
		"no handler":           {valid(func(s *Service) { s.Ops = []Operation{Op[ecs.ListTasksInput, ecs.ListTasksOutput]("X", nil)} })},
		"JSON version":         {valid(func(s *Service) { s.JSONVersion = "2.0" })},
		"target prefix":        {valid(func(s *Service) { s.TargetPrefix = "" })},
		"speaks no protocol":   {{Name: "x"}},
		"another service":      {valid(func(*Service) {}), valid(func(*Service) {})},
		"has the target":       {valid(func(*Service) {}), valid(func(s *Service) { s.Name = "other" })},
		"has no form":          {valid(func(s *Service) { s.Ops = []Operation{opOf[struct{ C chan int }]()} })},
		"in neither the table": {valid(func(s *Service) { s.Ops = []Operation{opOf[struct{ I any }]()} })},
	} {
		_, err := NewHandler(Config{}, services...)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("NewHandler = %v, want an error about %q", err, name)
		}
	}
	for _, config := range []Config{{Region: "Eu West"}, {BodyBytesMax: -1}} {
		if _, err := NewHandler(config); err == nil {
			t.Errorf("NewHandler(%+v) = no error, want one", config)
		}
	}
}

func opOf[I any]() Operation {
	return Op("X", func(context.Context, *Request, *I) (*I, error) { return new(I), nil })
}

func TestValidRegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]bool{
		"us-east-1": true, "local": true, "us-gov-west-1": true, "a": true,
		"": false, "-a": false, "a-": false, "US-EAST-1": false, "a/b": false, "..": false, "a b": false,
		strings.Repeat("a", 33): false,
	} {
		if got := validRegion(region); got != want {
			t.Errorf("validRegion(%q) = %v, want %v", region, got, want)
		}
	}
}

// TestUnionTableIsComplete reads the members of unions in the source of the
// modules, where reflection cannot find them, and asks the codec for each.
func TestUnionTableIsComplete(t *testing.T) {
	t.Parallel()
	for union, members := range unionChoices {
		service, _, _ := strings.Cut(strings.TrimPrefix(union.PkgPath(), sdkServices), "/")
		declared := declaredMembers(t, service, union.Name())
		if len(declared) != len(members) {
			t.Errorf("%s: the module declares the members %v, the tests know %d", union, declared, len(members))
		}
		for _, m := range members {
			holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "U", Type: union}}))
			holder.Elem().Field(0).Set(reflect.ValueOf(m))
			if _, err := newCodec().AppendJSON(nil, codec.Identity, holder.Interface()); err != nil {
				t.Errorf("%T: %v", m, err)
			}
		}
	}
}
