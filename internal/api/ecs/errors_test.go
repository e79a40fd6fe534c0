package ecs_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestStoreFaults checks what callers are told when the store cannot do what they asked for.
func TestStoreFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		err    error
		code   string
		status int
		part   string
	}{
		{"no space", store.ErrNoSpace, "ServerException", 500, "is full"},
		{"too large", store.ErrTooLarge, "ClientException", 400, "too large"},
		{"contended", &store.ConflictError{Rev: 1}, "ServerException", 500, "try again"},
		{"unknown outcome", store.ErrUnknownOutcome, "ServerException", 500, "unknown whether"},
		{"anything else", store.ErrInvalid, "ServerException", 500, "internal error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			w := newWorldOver(t, mem.New(mem.Options{Faults: func(*store.Txn) mem.Fault {
				if broken.Load() {
					return mem.Fault{Err: tc.err}
				}
				return mem.Fault{}
			}}))
			must(w.ListClusters(t.Context(), &client.ListClustersInput{}))(t)
			broken.Store(true)
			_, err := w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")})
			wantError(t, err, tc.code, tc.part)
			if status, body := w.send("CreateCluster", `{"clusterName":"a"}`); status != tc.status || strings.Contains(body, "store:") {
				t.Errorf("got %d %s, want %d and nothing of the store's own words", status, body, tc.status)
			}
		})
	}
}
