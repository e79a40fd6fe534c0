package etcd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/maitred/maitred/internal/store"
)

// Remote says how to reach an etcd in another process.
type Remote struct {
	// Endpoints are URLs: unix:///path of a socket, https://host:2379 …
	Endpoints []string
	// CA, Cert and Key are PEM files for TLS: whom to trust, and who we are. None is needed for a socket.
	CA, Cert, Key string
	// Identity names this client's markers, so that they are found again after a restart: a machine's id, for example.
	// No two running processes may use the same. Empty for a new one each time.
	Identity string
	// Timeout is how long to wait for the first answer, 5 s by default.
	Timeout time.Duration
	// Log gets what goes wrong behind the scenes; nil for none of it.
	Log *slog.Logger
}

// The keep-alive of connections: a peer that does not answer is given up after the sum of both.
const (
	keepAlive        = 5 * time.Second
	keepAliveTimeout = 3 * time.Second
)

// Dial makes a backend that is a client of an etcd in another process. It fails if nobody answers.
func Dial(ctx context.Context, r Remote) (*Backend, error) {
	log := r.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	security, err := r.tls()
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: r.Endpoints, TLS: security, Logger: zap.New(bridge{log: log}), DialTimeout: r.timeout(),
		DialKeepAliveTime: keepAlive, DialKeepAliveTimeout: keepAliveTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("dial etcd: %w", err)
	}
	b := newBackend(client, r.self(), log)
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	if err := b.recall(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("dial etcd at %s: %w", strings.Join(r.Endpoints, ", "), err), b.Close())
	}
	return b, nil
}

func (r *Remote) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return 5 * time.Second
}

func (r *Remote) self() self {
	who := self{identity: r.Identity, incarnation: rand.Text()}
	if who.identity == "" {
		who.identity = who.incarnation
	}
	return who
}

func (r *Remote) tls() (*tls.Config, error) {
	if r.CA == "" && r.Cert == "" && r.Key == "" {
		return nil, nil
	}
	config, err := transport.TLSInfo{TrustedCAFile: r.CA, CertFile: r.Cert, KeyFile: r.Key}.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the TLS files for etcd: %w", err)
	}
	return config, nil
}

// recall finds the slots of earlier runs, to use them again.
func (b *Backend) recall(ctx context.Context) error {
	answer, err := b.client.Get(ctx, b.slots.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return b.translate(err)
	}
	for _, kv := range answer.Kvs {
		b.slots.put(&slot{key: string(kv.Key), rev: kv.ModRevision})
	}
	b.slots.made = len(answer.Kvs)
	return nil
}

// endpointFile, in the directory of an embedded member, holds the URL by which other processes reach it.
const endpointFile = "endpoint"

// Endpoint gives the URL of the member that runs, or last ran, in a directory.
func Endpoint(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, endpointFile))
	if err != nil {
		return "", fmt.Errorf("no etcd member in %s: %w", dir, err)
	}
	return strings.TrimSpace(string(data)), nil
}

var _ store.Backend = (*Backend)(nil)
