package acm_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	api "github.com/maitred/maitred/internal/api/acm"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/secrets"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is the API over a store in memory with the real client before it.
type world struct {
	*client.Client
	t     *testing.T
	store *store.Store
	keys  *secrets.Keys
	clock atomic.Int64 // seconds since noon
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, false)
}

// newWorldOf is a world with an ACME server, or none.
func newWorldOf(t *testing.T, acme bool) *world {
	t.Helper()
	backend := mem.New(mem.Options{})
	t.Cleanup(func() { _ = backend.Close() })
	st, err := store.Open(t.Context(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	keys, err := secrets.LoadKeys(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: st, keys: keys}
	var ids atomic.Uint32
	handler, err := wire.NewHandler(wire.Config{}, api.New(api.Deps{
		Store: st, Account: account, ACME: acme,
		Now: func() time.Time { return noon.Add(time.Duration(w.clock.Load()) * time.Second) },
		IDs: func() (b [16]byte) { b[0] = byte(ids.Add(1)); return b },
		Sealing: func(do func(api.Seal) error) error {
			return do(func(arn string, key []byte) ([]byte, error) { return keys.SealFor(arn, key), nil })
		},
	}).Service())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	w.Client = client.New(client.Options{
		Region: region, BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "secret"}, nil
		}),
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
			_, _ = s.Initialize.Remove("OperationInputValidation") // what the client would refuse is to be refused by us
			return nil
		}},
	})
	return w
}

func (w *world) put(r model.Record) {
	w.t.Helper()
	if _, err := w.store.Update(w.t.Context(), func(tx *store.Tx) error { tx.Put(r); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// pair is a certificate with its key, both in PEM.
type pair struct {
	cert, key []byte
	x509      *x509.Certificate
	private   crypto.Signer
}

// issue makes a certificate with a change to what it is made of, signed by parent or by itself.
func issue(t *testing.T, parent *pair, private crypto.Signer, change func(*x509.Certificate)) *pair {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xabcdef), Subject: pkix.Name{CommonName: "www.example.com", Organization: []string{"Example"}},
		DNSNames: []string{"www.example.com", "*.example.com"}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	signedBy, by := template, private
	if parent != nil {
		signedBy, by = parent.x509, parent.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signedBy, private.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8), leaf, private}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func ecKey(t *testing.T, c elliptic.Curve) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func edKey(t *testing.T) crypto.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.DNSNames = nil
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	}
}

func (w *world) importing(p *pair, chain ...*pair) string {
	w.t.Helper()
	in := &client.ImportCertificateInput{Certificate: p.cert, PrivateKey: p.key}
	for _, c := range chain {
		in.CertificateChain = append(in.CertificateChain, c.cert...)
	}
	out, err := w.ImportCertificate(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("ImportCertificate = %v", err)
	}
	return *out.CertificateArn
}

func wantError(t *testing.T, name string, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || e.ErrorMessage() == "" {
		t.Errorf("%s: got %v, want %s with a text", name, err, code)
	}
	if err != nil && bytes.Contains([]byte(err.Error()), []byte("PRIVATE KEY-")) {
		t.Errorf("%s: the error tells of a key: %v", name, err)
	}
}
