package etcd

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		os.Exit(victim(dir))
	}
	goleak.VerifyTestMain(m)
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // on a disk that others use as well
	t.Cleanup(cancel)
	return ctx
}

// start runs a member in a directory until the end of the test.
func start(t testing.TB, dir string) *Backend {
	t.Helper()
	b, err := Embed(within(t), Member{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatalf("Embed: %v", err)
	}
	t.Cleanup(func() { closeBackend(t, b) })
	return b
}

func closeBackend(t testing.TB, b *Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func compact(b *Backend) func(t testing.TB, rev int64) {
	return func(t testing.TB, rev int64) {
		t.Helper()
		_, err := b.client.Compact(within(t), rev, clientv3.WithCompactPhysical())
		if err != nil && !errors.Is(err, rpctypes.ErrCompacted) { // which says that it has been done before
			t.Fatalf("Compact(%d): %v", rev, err)
		}
	}
}

func depose(b *Backend) func(t testing.TB, name string) {
	return func(t testing.TB, name string) {
		t.Helper()
		leader, err := b.client.Get(within(t), leaderPrefix+name)
		if err != nil || len(leader.Kvs) == 0 {
			t.Fatalf("nobody leads as %s: %v", name, err)
		}
		if _, err := b.client.Revoke(within(t), clientv3.LeaseID(leader.Kvs[0].Lease)); err != nil {
			t.Fatalf("Revoke: %v", err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		b := start(t, t.TempDir())
		return storetest.Harness{Backend: b, Compact: compact(b), Depose: depose(b)}
	})
}

func TestConformanceOfClient(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		member := start(t, t.TempDir())
		b, err := Dial(within(t), Remote{Endpoints: []string{member.Endpoint()}})
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		t.Cleanup(func() { closeBackend(t, b) })
		return storetest.Harness{Backend: b, Compact: compact(member), Depose: depose(member)}
	})
}
