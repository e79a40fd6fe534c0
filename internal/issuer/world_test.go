package issuer_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/issuer"
	"github.com/maitred/maitred/internal/issuer/acmetest"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

func TestMain(m *testing.M) {
	if err := acmetest.Setup(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(acmetest.Worker))
}

const (
	region  = "eu-west-1"
	account = "123456789012"
)

// world is a store with an issuer.
type world struct {
	t     *testing.T
	store *store.Store
	now   func() time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	backend := mem.New(mem.Options{})
	t.Cleanup(func() { _ = backend.Close() })
	st, err := store.Open(context.Background(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return &world{t: t, store: st, now: time.Now}
}

// seal is none: what is sealed is the key itself, so that tests can read it.
func seal(_ string, key []byte) ([]byte, error) { return key, nil }

func random() (b [16]byte) {
	_, _ = rand.Read(b[:])
	return b
}

func (w *world) call() control.Call {
	return control.Call{Scope: arn.Scope{Region: region, Account: account}, Operation: "test", Now: w.now().UTC(), IDs: random}
}

// run has an issuer work until end is called.
func (w *world) run(by issuer.Authority) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- issuer.Run(ctx, issuer.Config{
			Store: w.store, Account: account, IDs: random, Now: w.now, Authority: by, Log: slog.New(slog.DiscardHandler),
			Sealing: func(do func(control.SealKey) error) error { return do(seal) },
		})
	}()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run = %v", err)
		}
	}
}

func (w *world) update(do func(*store.Tx) error) {
	w.t.Helper()
	if _, err := w.store.Update(context.Background(), do); err != nil {
		w.t.Fatal(err)
	}
}

// request asks for a certificate that is proven.
func (w *world) request(names ...string) (resource string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) {
		resource, err = control.RequestCertificate(tx, w.call(), control.CertificateRequest{Names: names, Algorithm: "EC_prime256v1"})
		return err
	})
	return resource
}

// self asks for a certificate that is signed by itself.
func (w *world) self(names ...string) (resource string) {
	w.t.Helper()
	body, key, err := certificate.SelfSigned("EC_prime256v1", names, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.update(func(tx *store.Tx) (err error) {
		resource, err = control.ImportCertificate(tx, w.call(), control.NewCertificate{Type: model.CertificateRequested, Body: body, Key: key}, seal)
		return err
	})
	return resource
}

// use has a listener use a certificate.
func (w *world) use(resource string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		tx.Put(&model.Listener{ARN: "arn:listener", LoadBalancer: "arn:lb", Protocol: "HTTPS", Certificates: []string{resource}})
		return nil
	})
}

func (w *world) certificate(resource string) *model.Certificate {
	w.t.Helper()
	c, ok := w.store.View().Certificate(resource)
	if !ok {
		w.t.Fatalf("%s is gone", resource)
	}
	return c
}

// authority is an authority of its own, which issues for 90 days.
type authority struct {
	mu     sync.Mutex
	err    error
	orders int
}

// refuse has it answer with an error from now on, nil for a certificate.
func (a *authority) refuse(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// ordered is how many orders there were.
func (a *authority) ordered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.orders
}

func (a *authority) Obtain(_ context.Context, names []string, key crypto.Signer, _ issuer.Proofs) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.orders++
	if a.err != nil {
		return nil, a.err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(a.orders)), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}
