package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir)
	rev, err := b.Commit(within(t), machineTxn("a", "1", 0))
	if err != nil {
		t.Fatal(err)
	}
	before, err := b.Elect(within(t), "x")
	if err != nil {
		t.Fatal(err)
	}
	closeBackend(t, b)
	b = start(t, dir)
	if got, version := host(t, b, "a"); got != "1" || version != rev {
		t.Errorf("after a restart there is %q of version %d, want 1 of %d", got, version, rev)
	}
	// The key of the run before is there still, and its lease not over.
	after, err := b.Elect(within(t), "x")
	if err != nil {
		t.Fatal(err)
	}
	if after.Fence.Term <= before.Fence.Term {
		t.Errorf("the term after a restart is %d, want more than %d", after.Fence.Term, before.Fence.Term)
	}
	txn := machineTxn("a", "2", rev)
	txn.Fence = &before.Fence
	if _, err := b.Commit(within(t), txn); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a write of the term before the restart: %v, want %v", err, store.ErrFenced)
	}
	if n := len(b.slots.unused); n != 1 {
		t.Errorf("there are %d slots, want the one of the run before used again", n)
	}
}

// TestNoTakeover has a member try to lead while a client of another process does.
func TestNoTakeover(t *testing.T) {
	t.Parallel()
	b := start(t, t.TempDir())
	client, err := Dial(within(t), Remote{Endpoints: []string{b.Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBackend(t, client) })
	leader, err := client.Elect(within(t), "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(within(t), 2*time.Second) // so that it is over while it waits, not while it asks
	defer cancel()
	if l, err := b.Elect(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Elect while somebody else leads = %v, %v; want %v", l, err, context.DeadlineExceeded)
	}
	txn := machineTxn("a", "1", 0)
	txn.Fence = &leader.Fence
	if _, err := client.Commit(within(t), txn); err != nil {
		t.Errorf("a write of the leader: %v", err)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir)
	if _, err := Embed(within(t), Member{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second member in a directory: %v, want %v", err, ErrInUse)
	}
	if _, err := b.Commit(within(t), machineTxn("a", "1", 0)); err != nil {
		t.Errorf("the first member after that: %v", err)
	}
	if got, err := Endpoint(dir); err != nil || got != b.Endpoint() {
		t.Errorf("Endpoint(dir) = %q, %v; want %q", got, err, b.Endpoint())
	}
	if _, err := Endpoint(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Endpoint of a directory without a member: %v, want %v", err, os.ErrNotExist)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	b := start(t, dir)
	for path, want := range map[string]os.FileMode{
		dir: 0o700, strings.TrimPrefix(b.Endpoint(), "unix://"): 0o600, filepath.Join(dir, "etcd"): 0o700,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	b := start(t, dir)
	socket := strings.TrimPrefix(b.Endpoint(), "unix://")
	if strings.HasPrefix(socket, dir) || len(socket) > maxSocketPath {
		t.Errorf("the socket is %s, want a short path elsewhere", socket)
	}
	if info, err := os.Stat(filepath.Dir(socket)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's directory: %v, %v; want it for this user alone", info, err)
	}
	endpoint, err := Endpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	client, err := Dial(within(t), Remote{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatalf("Dial(%s): %v", endpoint, err)
	}
	if _, err := client.Commit(within(t), machineTxn("a", "1", 0)); err != nil {
		t.Errorf("Commit: %v", err)
	}
	closeBackend(t, client)
	if left, err := b.client.Get(within(t), client.slots.prefix, clientv3.WithPrefix()); err != nil || len(left.Kvs) != 0 {
		t.Errorf("a client without an identity left %v behind (%v)", left, err)
	}
	closeBackend(t, b)
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's directory is left behind: %v", err)
	}
}

func TestDialNobody(t *testing.T) {
	t.Parallel()
	_, err := Dial(within(t), Remote{Endpoints: []string{"unix://" + filepath.Join(t.TempDir(), "none")}, Timeout: 1})
	if err == nil {
		t.Error("Dial of a socket that does not exist succeeds")
	}
}

func TestNoSpace(t *testing.T) {
	t.Parallel()
	const quota = 4 << 20
	b, err := Embed(within(t), Member{Dir: t.TempDir(), Quota: quota})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBackend(t, b) })
	var keys []model.Key
	for i := 0; err == nil && i < 100; i++ {
		txn := machineTxn(fmt.Sprint("m", i), strings.Repeat("x", 256<<10), 0)
		if _, err = b.Commit(within(t), txn); err == nil {
			keys = append(keys, txn.Puts[0].Key)
		}
	}
	if !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("after %d records of 256 KiB: %v, want %v", len(keys), err, store.ErrNoSpace)
	}
	s, err := b.Status(within(t))
	if err != nil || !s.NoSpace || s.Quota != quota || s.Size < quota/2 {
		t.Errorf("Status = %+v, %v; want no space at a quota of %d", s, err, quota)
	}
	if _, err := b.Commit(within(t), &store.Txn{Deletes: keys}); err != nil {
		t.Fatalf("a full database takes no deletions: %v", err)
	}
	if err := b.Reclaim(within(t)); err != nil {
		t.Fatalf("Reclaim: %v", err)
	}
	if s, err := b.Status(within(t)); err != nil || s.NoSpace || s.Size > quota/4 {
		t.Errorf("after Reclaim Status = %+v, %v; want space", s, err)
	}
	if _, err := b.Commit(within(t), machineTxn("a", "1", 0)); err != nil {
		t.Errorf("Commit after Reclaim: %v", err)
	}
}

// TestMerger splits a run of revisions over ranges, delivers them in any order between the ranges, and wants the same
// run back.
func TestMerger(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		const ranges = maxRanges
		last := int64(rapid.IntRange(1, 12).Draw(r, "revisions"))
		parts := make([][]store.Batch, ranges)
		want := map[int64]int{}
		for rev := int64(1); rev <= last; rev++ {
			for i := range parts {
				if rapid.Bool().Draw(r, "has") {
					put := store.Versioned{Key: model.MachineKey(fmt.Sprint(i)), Version: rev}
					parts[i] = append(parts[i], store.Batch{Rev: rev, Puts: []store.Versioned{put}})
					want[rev]++
				}
			}
		}
		m := newMerger(ranges, 0)
		var got []store.Batch
		known := make([]int64, ranges)
		for m.complete() < last {
			i := rapid.IntRange(0, ranges-1).Draw(r, "range")
			if known[i] == last {
				continue
			}
			known[i]++
			var now []store.Batch
			if len(parts[i]) > 0 && parts[i][0].Rev == known[i] {
				now, parts[i] = parts[i][:1], parts[i][1:]
			}
			m.add(i, now, known[i])
			for _, b := range m.take() {
				if b.Rev > m.complete() {
					r.Fatalf("revision %d comes when only %d is complete", b.Rev, m.complete())
				}
				got = append(got, b)
			}
		}
		before := int64(0)
		for _, b := range got {
			if b.Rev <= before || len(b.Puts) != want[b.Rev] {
				r.Fatalf("revision %d with %d changes after %d, want %d changes", b.Rev, len(b.Puts), before, want[b.Rev])
			}
			before = b.Rev
			delete(want, b.Rev)
		}
		if len(want) != 0 || m.behind() {
			r.Fatalf("missing revisions %v, behind: %v", want, m.behind())
		}
	})
}
