// Package apitest is what the tests of all APIs need: a store in memory, a clock that is moved by hand, a server of the wire, and
// clients that send what they are told to.
package apitest

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// Store opens a store in memory, which is closed with the test.
func Store(t testing.TB) *store.Store {
	t.Helper()
	backend := mem.New(mem.Options{})
	t.Cleanup(func() { _ = backend.Close() })
	return Open(t, backend)
}

// Open opens a store over a backend, and closes it with the test.
func Open(t testing.TB, backend store.Backend) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Put writes records, as the other parts of maitred would.
func Put(t testing.TB, s *store.Store, records ...model.Record) {
	t.Helper()
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Clock stands still unless it is moved.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock starts a clock.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// IDs counts: in both halves, because some ids are made of the first one alone.
func IDs() arn.IDs {
	var n atomic.Uint64
	return func() (id [16]byte) {
		binary.BigEndian.PutUint64(id[:8], n.Add(1))
		copy(id[8:], id[:8])
		return id
	}
}

// Serve serves APIs until the test ends, and gives the URL.
func Serve(t testing.TB, config wire.Config, services ...*wire.Service) string {
	t.Helper()
	handler, err := wire.NewHandler(config, services...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// Config is the configuration of a client for a region. It sends what it is told to, without checking it first, and once.
func Config(url, region string) aws.Config {
	return aws.Config{
		BaseEndpoint: &url, Region: region, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
		}),
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
			_, _ = s.Initialize.Remove("OperationInputValidation")
			return nil
		}},
	}
}

// WantTable compares the operations of an API with those of the SDK's client (*ecs.Client); those that are refused have to be by
// an error of the given code.
func WantTable(t *testing.T, api *wire.Service, client reflect.Type, refusal string) {
	t.Helper()
	var got, want []string
	for _, op := range api.Table() {
		got = append(got, op.Name)
		if op.Status == wire.StatusRefused && op.Error != refusal {
			t.Errorf("%s is refused by %s, want %s", op.Name, op.Error, refusal)
		}
	}
	for _, op := range wire.ClientOperations(client) {
		want = append(want, op.Name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-client +table):\n%s", diff)
	}
}

// WantError checks the code and that the message has the parts.
func WantError(t testing.TB, err error, code string, parts ...string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want %s", err, code)
	}
	if e.ErrorCode() != code {
		t.Errorf("got %s (%s), want %s", e.ErrorCode(), e.ErrorMessage(), code)
	}
	for _, p := range parts {
		if !strings.Contains(e.ErrorMessage(), p) {
			t.Errorf("got message %q, want it to contain %q", e.ErrorMessage(), p)
		}
	}
}

// Must fails the test if an operation has failed, and gives its answer.
func Must[O any](out O, err error) func(t *testing.T) O {
	return func(t *testing.T) O {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}
