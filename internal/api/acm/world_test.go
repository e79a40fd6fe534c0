package acm_test

import (
	"bytes"
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
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/smithy-go"

	api "github.com/maitred/maitred/internal/api/acm"
	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/secrets"
	"github.com/maitred/maitred/internal/store"
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
	keys, err := secrets.LoadKeys(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: apitest.Store(t), keys: keys}
	w.Client = client.NewFromConfig(apitest.Config(apitest.Serve(t, wire.Config{}, api.New(api.Deps{
		Deps: usecase.Deps{
			Store: w.store, Account: account, IDs: apitest.IDs(),
			Now: func() time.Time { return noon.Add(time.Duration(w.clock.Load()) * time.Second) },
		},
		ACME: acme,
		Sealing: func(do func(api.Seal) error) error {
			return do(func(arn string, key []byte) ([]byte, error) { return keys.SealFor(arn, key), nil })
		},
	}).Service()), region))
	return w
}

func (w *world) put(r model.Record) {
	w.t.Helper()
	apitest.Put(w.t, w.store, r)
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
