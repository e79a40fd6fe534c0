package wire

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestSettle answers clients of the Go SDK not faster than they can take a long answer.
func TestSettle(t *testing.T) {
	const goSDK = "APN/1.0 HashiCorp/1.0 Terraform/1.9 aws-sdk-go-v2/1.48.0 ua/2.1 os/linux lang/go#1.26"
	for name, c := range map[string]struct {
		agent string
		bytes int
		work  time.Duration
		gone  bool
		took  time.Duration
	}{
		"a long answer":                    {goSDK, 9000, 0, false, settling},
		"what took long anyway":            {goSDK, 9000, settling, false, settling},
		"a short answer":                   {goSDK, 900, 0, false, 0},
		"another client":                   {"Boto3/1.43 md/Botocore#1.43", 9000, 0, false, 0},
		"a client that went away":          {goSDK, 9000, 0, true, 0},
		"an error, before there is a body": {goSDK, -1, 0, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := stsService
				s.Ops = []Operation{Op("GetCallerIdentity",
					func(context.Context, *Request, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
						time.Sleep(c.work)
						return &sts.GetCallerIdentityOutput{UserId: aws.String(strings.Repeat("u", c.bytes))}, nil
					})}
				h, err := NewHandler(Config{}, &s)
				if err != nil {
					t.Fatal(err)
				}
				r := with(formRequest("Action=GetCallerIdentity&Version=2011-06-15"), "User-Agent", c.agent)
				if c.bytes < 0 {
					r.Method = http.MethodPut
				}
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				if c.gone {
					cancel()
				}
				began, w := time.Now(), httptest.NewRecorder()
				h.ServeHTTP(w, r.WithContext(ctx))
				if took := time.Since(began); took != c.took || w.Body.Len() < c.bytes {
					t.Errorf("an answer of %d bytes took %v, want %v", w.Body.Len(), took, c.took)
				}
			})
		})
	}
}
