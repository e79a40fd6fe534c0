package elbv2

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// FuzzMatcher checks that what is taken as a matcher has codes within its bounds only.
func FuzzMatcher(f *testing.F) {
	for _, s := range []string{"200", "200,202", "200-299", "200-", "-200", "0200", "200,,201", "200-199", "1e2", "+200"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !matcherValid(s, codeLeast, codeMost) {
			return
		}
		for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == '-' }) {
			if len(part) != 3 || strings.Trim(part, "0123456789") != "" || part < "200" || part > "499" {
				t.Errorf("%q is taken, with the code %q", s, part)
			}
		}
	})
}

// FuzzRedirect checks that no text that is taken has a placeholder that is not replaced, or would break a header.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"/#{path}", "/a#{host}/#{port}", "/#{", "/#{}}", "/#{path", "/\r\nX: y", "/##{path}", "/#{#{path}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := redirectIn(&elb.RedirectActionConfig{StatusCode: "HTTP_302", Path: &s, Protocol: aws.String("HTTPS")})
		if err != nil {
			return
		}
		rest := strings.NewReplacer("#{path}", "", "#{host}", "", "#{port}", "").Replace(s)
		if strings.Contains(rest, "#{") && !strings.Contains(s, "##{") && !strings.Contains(s, "#{#{") || strings.ContainsAny(s, "\r\n ") {
			t.Errorf("%q is taken", s)
		}
	})
}

// FuzzCondition checks that a condition that is taken comes back as it was given.
func FuzzCondition(f *testing.F) {
	f.Add("path-pattern", "/a/*", "")
	f.Add("host-header", "*.example.com", "")
	f.Add("http-header", "x?", "User-Agent")
	f.Add("query-string", `\*`, "v")
	f.Add("source-ip", "10.0.0.0/8", "")
	f.Add("http-request-method", "GET", "")
	f.Fuzz(func(t *testing.T, field, value, name string) {
		values := []string{value}
		in := elb.RuleCondition{Field: &field}
		switch field {
		case model.FieldHost, model.FieldPath:
			in.Values = values
		case model.FieldHeader:
			in.HttpHeaderConfig = &elb.HttpHeaderConditionConfig{HttpHeaderName: &name, Values: values}
		case model.FieldMethod:
			in.HttpRequestMethodConfig = &elb.HttpRequestMethodConditionConfig{Values: values}
		case model.FieldSourceIP:
			in.SourceIpConfig = &elb.SourceIpConditionConfig{Values: values}
		case model.FieldQuery:
			in.QueryStringConfig = &elb.QueryStringConditionConfig{Values: []elb.QueryStringKeyValuePair{{Key: &name, Value: &value}}}
		}
		conditions, err := conditionsIn([]elb.RuleCondition{in})
		if err != nil {
			return
		}
		again, err := conditionsIn(conditionsOut(conditions))
		if err != nil || len(again) != 1 || again[0].Field != field {
			t.Fatalf("%q %q %q is taken as %+v, and then %v", field, value, name, conditions, err)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			t.Errorf("%q is taken", value)
		}
	})
}

// FuzzRequest sends any parameters to any operation: there is an answer, and it is no internal error.
func FuzzRequest(f *testing.F) {
	backend := mem.New(mem.Options{})
	f.Cleanup(func() { _ = backend.Close() })
	st, err := store.Open(f.Context(), backend, store.Scope{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(st.Close)
	api := New(Deps{Deps: usecase.Deps{
		Store: st, Account: "123456789012", Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, IDs: func() (id [16]byte) { return id },
	}})
	handler, err := wire.NewHandler(wire.Config{}, api.Service())
	if err != nil {
		f.Fatal(err)
	}
	for _, op := range api.Service().Table() {
		f.Add(op.Name, "")
	}
	f.Add("CreateLoadBalancer", "Name=x&Subnets.member.1=s&Tags.member.1.Key=a&Tags.member.1.Value=b")
	f.Add("CreateRule", "ListenerArn=x&Priority=1&Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=%2F&Actions.member.1.Type=forward")
	f.Add("CreateTargetGroup", "Name=x&Protocol=HTTP&Port=80&VpcId=v&Matcher.HttpCode=200")
	f.Add("RegisterTargets", "TargetGroupArn=arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x/0123456789abcdef&Targets.member.1.Id=10.0.0.1")
	f.Fuzz(func(t *testing.T, action, parameters string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Version=2015-12-01&"+parameters+"&Action="+action))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %q: %d %s", action, parameters, w.Code, w.Body)
		}
	})
}
