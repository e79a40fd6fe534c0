package sts_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/sts"
	"github.com/maitred/maitred/internal/api/wire"
)

func newClient(t *testing.T) *client.Client {
	t.Helper()
	handler, err := wire.NewHandler(wire.Config{}, sts.New("123456789012"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return client.New(client.Options{
		BaseEndpoint: aws.String(server.URL), Region: "eu-west-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
		}),
	})
}

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	out, err := newClient(t).GetCallerIdentity(t.Context(), &client.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{aws.ToString(out.Account), aws.ToString(out.Arn), aws.ToString(out.UserId)}
	want := []string{"123456789012", "arn:aws:iam::123456789012:root", "123456789012"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	_, err := newClient(t).GetSessionToken(t.Context(), &client.GetSessionTokenInput{})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "UnsupportedOperation" {
		t.Errorf("GetSessionToken = %v, want UnsupportedOperation", err)
	}
}

func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	var got, want []string
	for _, op := range sts.New("123456789012").Table() {
		got = append(got, op.Name)
	}
	for _, op := range wire.ClientOperations(reflect.TypeFor[*client.Client]()) {
		want = append(want, op.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}
