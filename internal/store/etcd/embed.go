package etcd

import (
	"context"
	"crypto/rand"
	"errors"
	"expvar"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// Member says where and how to run the embedded member.
type Member struct {
	// Dir is the directory of its data; it is created, for this user alone. No other process may use it meanwhile.
	// etcd allocates 64 MB in it on the first day.
	Dir string
	// Quota is the size in bytes at which the database takes deletions only, 2 GiB by default.
	Quota int64
	// Log gets etcd's warnings; nil for none of them.
	Log *slog.Logger
}

const (
	defaultQuota = 2 << 30
	// etcd wakes up at each tick for ever, and a short one shows in what an idle machine does. A member alone needs none
	// to elect itself (see stand). Both in milliseconds.
	tick     = 250
	election = 1250
	// standAgain is the pause between two attempts to be elected.
	standAgain = time.Millisecond
	// Changes older than this are compacted: a stream that is further behind lists again.
	retention = "5m"
	// catchUp is how many entries of the log are kept in memory for a follower that is behind. There is none.
	catchUp = 100
	// Nobody dials it: a single member has no peers. It is part of the membership and must stay the same.
	peerURL = "http://127.0.0.1:2380"
)

// ErrInUse says that another process uses the data directory.
var ErrInUse = errors.New("the data directory is used by another process")

// member is a running embedded etcd and what it holds outside of itself.
type member struct {
	etcd    *embed.Etcd
	lock    *os.File
	socket  string
	scratch string // directory of the socket if it has one of its own
	dir     string
	quota   int64
	closing atomic.Bool
}

// Embed starts the member, waits until it serves, and gives a backend on it. It listens on a unix socket alone, which
// only this user can open (see Backend.Endpoint).
func Embed(ctx context.Context, m Member) (*Backend, error) {
	log := m.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	run, err := m.start(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("start etcd in %s: %w", m.Dir, err)
	}
	who := self{identity: run.etcd.Server.MemberID().String(), incarnation: rand.Text()}
	b := newBackend(v3client.New(run.etcd.Server), who, log)
	b.member = run
	if err := b.recall(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start etcd in %s: %w", m.Dir, err), b.Close())
	}
	return b, nil
}

func (m *Member) start(ctx context.Context, log *slog.Logger) (_ *member, err error) {
	run := &member{dir: m.Dir, quota: m.Quota}
	if run.quota <= 0 {
		run.quota = defaultQuota
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, run.close())
		}
	}()
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return nil, err
	}
	if run.lock, err = lockDir(m.Dir); err != nil {
		return nil, err
	}
	if run.socket, run.scratch, err = socketPath(m.Dir); err != nil {
		return nil, err
	}
	if run.etcd, err = embed.StartEtcd(run.config(log)); err != nil {
		run.etcd = nil // it has closed itself
		return nil, err
	}
	if err := run.stand(ctx); err != nil {
		return nil, err
	}
	if err := os.Chmod(run.socket, 0o600); err != nil {
		return nil, err
	}
	return run, os.WriteFile(filepath.Join(m.Dir, endpointFile), []byte(run.endpoint()+"\n"), 0o600)
}

// stand makes the member its own leader at once, and waits until it serves. By itself it would wait for an election
// timeout, for others to be heard of; but there are none. What it tells itself is what a leader that goes tells its
// successor: do not wait.
func (m *member) stand(ctx context.Context) error {
	self := uint64(m.etcd.Server.MemberID())
	again := time.NewTicker(standAgain)
	defer again.Stop()
	for {
		if m.replayed() {
			now := &raftpb.Message{Type: raftpb.MsgTimeoutNow.Enum(), From: &self, To: &self}
			if err := m.etcd.Server.Process(ctx, now); err != nil {
				return fmt.Errorf("stand for election: %w", err)
			}
		}
		select {
		case <-m.etcd.Server.ReadyNotify():
			return nil
		case err := <-m.etcd.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// replayed says that raft has applied its log and waits for a leader. To stand before that is not only in vain: while
// the log is applied it is also compacted, and raft panics if it then looks for what is gone. The state is the one that
// etcd publishes of the member that was started last in this process; if that is another one, the election comes by
// itself, a little later.
func (m *member) replayed() bool {
	published, ok := expvar.Get("raft.status").(expvar.Func)
	if !ok {
		return false
	}
	status, ok := published().(raft.Status)
	server := m.etcd.Server
	return ok && status.ID == uint64(server.MemberID()) && status.GetCommit() > 0 && status.Applied == status.GetCommit() &&
		status.Applied == server.AppliedIndex() && server.Leader() == 0
}

func (m *member) config(log *slog.Logger) *embed.Config {
	c := embed.NewConfig()
	c.Name = "maitred"
	c.Dir = filepath.Join(m.dir, "etcd")
	c.TickMs, c.ElectionMs = tick, election
	c.QuotaBackendBytes = m.quota
	c.SnapshotCatchUpEntries = catchUp
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, retention
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.New(bridge{log: log, closing: &m.closing}))
	c.EnableGRPCGateway = false
	listen := url.URL{Scheme: "unix", Path: m.socket}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{listen}, []url.URL{listen}
	peer, _ := url.Parse(peerURL) // a constant
	c.ListenPeerUrls, c.AdvertisePeerUrls = nil, []url.URL{*peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	return c
}

func (m *member) endpoint() string { return "unix://" + m.socket }

// close stops etcd and gives back the directory, in this order.
func (m *member) close() error {
	var errs []error
	m.closing.Store(true)
	if m.etcd != nil {
		m.etcd.Close()
	}
	if m.scratch != "" {
		errs = append(errs, os.RemoveAll(m.scratch))
	}
	if m.lock != nil {
		errs = append(errs, unlock(m.lock))
	}
	return errors.Join(errs...)
}

// lockDir makes sure that no other process uses a directory. The lock ends with the process, however that ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unlock does not leave it to closing: a child of this process that has yet to execute its program holds a copy.
func unlock(lock *os.File) error {
	return errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_UN), lock.Close())
}

// maxSocketPath is what every Unix takes; Linux has 108 bytes with the final zero, others 104.
const maxSocketPath = 103

// socketPath gives the path of the socket: in the data directory, or if that makes it too long, in a directory of its
// own that only this user can enter.
func socketPath(dir string) (path, scratch string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", "", err
	}
	const name = "etcd.sock"
	if path = filepath.Join(dir, name); len(path) <= maxSocketPath {
		return path, "", nil
	}
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		if scratch, err = os.MkdirTemp(parent, "maitred-"); err != nil {
			continue
		}
		if path = filepath.Join(scratch, name); len(path) <= maxSocketPath {
			return path, scratch, nil
		}
		err = errors.Join(fmt.Errorf("the path %s is too long for a socket", path), os.RemoveAll(scratch))
	}
	return "", "", err
}
