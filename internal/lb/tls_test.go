package lb_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/lb/certs"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const certificateARN = "arn:aws:acm:us-east-1:123456789012:certificate/0123"

// certificate makes a certificate for a name; its sealed key is the key.
func certificate(t testing.TB, name string) *model.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &model.Certificate{
		ARN: certificateARN, Names: []string{name}, Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		SealedKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	}
}

// TestCertificates tells of a listener without a usable certificate, and serves it once there is one.
func TestCertificates(t *testing.T) {
	t.Parallel()
	w, f, b := newWorld(t), newFront(t), newBackend(t, "one")
	f.listener.Protocol, f.listener.Certificates, f.listener.SSLPolicy = "HTTPS", []string{certificateARN}, "ELBSecurityPolicy-TLS13-1-2-2021-06"
	var sealed atomic.Bool
	sealed.Store(true)
	cache := certs.New(func(c *model.Certificate) ([]byte, error) {
		if sealed.Load() {
			return nil, errors.New("the key is not here")
		}
		return c.SealedKey, nil
	})
	f.put(w)
	w.put(b.target(t, ""))
	w.run(func(c *lb.Config) { c.Certificates, c.Heartbeat = cache, 50*time.Millisecond })
	failed := func(text string) func(*store.View) bool {
		return func(*store.View) bool {
			r := w.balancer()
			return r != nil && strings.Contains(r.Failed[listenerARN], text)
		}
	}
	w.until("it is told that there is none", failed("has no certificate"))
	w.put(certificate(t, "a.test"))
	w.until("it is told that it cannot be used", failed("the key is not here"))
	sealed.Store(false)
	w.until("it can be used", func(*store.View) bool { return len(w.balancer().Failed) == 0 })
	if got := serverName(t, f); got != "a.test" {
		t.Errorf("the certificate is that of %q", got)
	}
	w.put(certificate(t, "b.test"))
	eventually(t, "the new certificate is used", func() bool { return serverName(t, f) == "b.test" })
	w.remove(model.CertificateKey(certificateARN))
	w.until("it is told that there is none", failed("has no certificate"))
}

// serverName asks for something through TLS, and gives the name in the certificate.
func serverName(t testing.TB, f *front) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // it is about the certificate itself
	defer transport.CloseIdleConnections()
	url := fmt.Sprintf("https://127.0.0.1:%d/", f.listener.Port)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.TLS.PeerCertificates[0].Subject.CommonName
}
