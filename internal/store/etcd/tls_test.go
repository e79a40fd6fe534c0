package etcd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/etcd"
	"github.com/maitred/maitred/internal/testneeds"
)

// authority signs certificates for this machine's loopback address.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", nil)
	return a
}

// issue writes NAME.pem and NAME.key, signed by the parent, or by itself without one.
func (a *authority) issue(t *testing.T, name string, parent *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: parent == nil,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+".key", "EC PRIVATE KEY", private)
	return cert, key
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// external is an etcd of somebody else, that only lets clients in whose certificates the authority has signed.
func external(t *testing.T, a *authority) (endpoint string) {
	t.Helper()
	a.issue(t, "server", a)
	c := embed.NewConfig()
	c.Dir, c.LogLevel = t.TempDir(), "fatal"
	c.TickMs, c.ElectionMs = 10, 100
	client, peer := freeURL(t, "https"), freeURL(t, "http")
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.ClientTLSInfo = transport.TLSInfo{
		CertFile: a.file("server.pem"), KeyFile: a.file("server.key"), TrustedCAFile: a.file("ca.pem"), ClientCertAuth: true,
	}
	e, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	<-e.Server.ReadyNotify()
	return client.String()
}

func freeURL(t *testing.T, scheme string) url.URL {
	t.Helper()
	return url.URL{Scheme: scheme, Host: fmt.Sprintf("127.0.0.1:%d", testneeds.Port(t))}
}

// TestExternalEtcdWithTLS writes to an external etcd over TLS with a certificate of our own, and is kept out without.
func TestExternalEtcdWithTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	endpoint := external(t, a)
	a.issue(t, "client", a)
	b, err := etcd.Dial(t.Context(), etcd.Remote{
		Endpoints: []string{endpoint}, CA: a.file("ca.pem"), Cert: a.file("client.pem"), Key: a.file("client.key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, err := store.Open(t.Context(), b, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := &model.Cluster{ARN: "arn:aws:ecs:us-east-1:123456789012:cluster/far", Name: "far", Status: model.Active}
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error { tx.Put(want); return nil }); err != nil {
		t.Fatal(err)
	}
	if got, ok := s.View().Cluster(want.ARN); !ok || got.Name != want.Name {
		t.Errorf("got %+v, %v, want the cluster that was written", got, ok)
	}

	stranger := newAuthority(t)
	stranger.issue(t, "client", stranger)
	_, err = etcd.Dial(t.Context(), etcd.Remote{
		Endpoints: []string{endpoint}, CA: a.file("ca.pem"), Cert: stranger.file("client.pem"), Key: stranger.file("client.key"),
		Timeout: time.Second,
	})
	if err == nil {
		t.Error("a stranger's certificate is let in")
	}
}
