package issuer_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/issuer"
	"github.com/maitred/maitred/internal/issuer/acmetest"
	"github.com/maitred/maitred/internal/keyfile"
	"github.com/maitred/maitred/internal/lb"
	"github.com/maitred/maitred/internal/lb/certs"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/testneeds"
)

// balance serves a load balancer with a listener of HTTP, which redirects all to HTTPS, and one of HTTPS.
func (w *world) balance(plain, secure int) {
	w.t.Helper()
	const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	w.serve(plain, &model.LoadBalancer{ARN: arn + "loadbalancer/app/web/1", Name: "web", Type: model.Application, Address: "127.0.0.1"},
		&model.Listener{
			ARN: arn + "listener/app/web/1/1", LoadBalancer: arn + "loadbalancer/app/web/1", Port: plain, Protocol: "HTTP",
			Actions: []model.Action{{Type: model.ActionRedirect, Redirect: &model.Redirect{Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/#{path}", Query: "#{query}", Status: 301}}},
		}, &model.Listener{
			ARN: arn + "listener/app/web/1/2", LoadBalancer: arn + "loadbalancer/app/web/1", Port: secure, Protocol: "HTTPS",
			SSLPolicy: model.DefaultSSLPolicy,
			Actions:   []model.Action{{Type: model.ActionFixed, Fixed: &model.FixedResponse{Status: 200, Body: "safe"}}},
		})
}

// serve has a balancer serve these records, and waits until a port is open.
func (w *world) serve(port int, records ...model.Record) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	})
	b, err := lb.New(lb.Config{
		Store: w.store, ID: "0123456789abcdef", Secret: []byte("0123456789abcdef"), Random: rand.Uint64,
		Certificates: certs.New(func(c *model.Certificate) ([]byte, error) { return c.SealedKey, nil }),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the balancer: %v", err)
		}
	})
	w.until("the port is open", func(*store.View) bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// until waits for the store to show something.
func (w *world) until(what string, so func(*store.View) bool) {
	w.t.Helper()
	watcher := w.store.Watch()
	defer watcher.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond) // what a balancer does is not in the store
	defer again.Stop()
	for {
		if _, _, v := watcher.Snapshot(); so(v) {
			return
		}
		select {
		case <-watcher.C():
		case <-again.C:
		case <-ctx.Done():
			w.t.Fatalf("it never is so that %s", what)
		}
	}
}

// skipping sets the clock back to now with each order: the server has no other one.
type skipping struct {
	issuer.Authority
	skipped *atomic.Int64
}

func (s *skipping) Obtain(ctx context.Context, names []string, key crypto.Signer, proofs issuer.Proofs) ([]byte, error) {
	s.skipped.Store(0)
	return s.Authority.Obtain(ctx, names, key, proofs)
}

// TestACME has certificates issued by Let's Encrypt's own test server, which asks a load balancer for the proofs.
func TestACME(t *testing.T) {
	t.Parallel()
	w, plain, secure := newWorld(t), testneeds.Port(t), testneeds.Port(t)
	var skipped atomic.Int64
	w.now = func() time.Time { return time.Now().Add(time.Duration(skipped.Load())) }
	w.balance(plain, secure)
	server := acmetest.New(t, plain, secure)
	key, err := issuer.AccountKey(keyfile.New())
	if err != nil {
		t.Fatal(err)
	}
	by := &skipping{&issuer.ACME{
		Directory: server.Directory, Email: "ops@example.com", Key: key, Roots: server.Trust, Agent: "maitred/test", Settle: time.Nanosecond,
	}, &skipped}
	defer w.run(by)()

	resource := w.request("www.shop.test", "shop.test")
	w.untilIssued(resource, "")
	first := w.certificate(resource)
	if first.Names[0] != "www.shop.test" || len(first.Challenges) != 0 || !strings.Contains(first.Issuer, "Pebble") {
		t.Errorf("it was issued as %+v", first)
	}
	w.update(func(tx *store.Tx) error {
		for l := range tx.View().Listeners("") {
			if l.Protocol == "HTTPS" {
				changed := *l
				changed.Certificates = []string{resource}
				tx.Put(&changed)
			}
		}
		return nil
	})
	w.until("clients are shown it", func(*store.View) bool { return handshake(t, secure, "shop.test", server.Roots) == first.Serial })

	skipped.Store(int64(time.Until(first.NotAfter) - 10*24*time.Hour))
	w.update(func(tx *store.Tx) error { // wakes the issuer
		changed := *w.certificate(resource)
		changed.Tags = []model.Tag{{Key: "a"}}
		tx.Put(&changed)
		return nil
	})
	w.untilIssued(resource, first.Serial)
	second := w.certificate(resource)
	if second.RenewedAt.IsZero() {
		t.Errorf("it was renewed, and does not tell")
	}
	w.until("clients are shown the new one", func(*store.View) bool { return handshake(t, secure, "shop.test", server.Roots) == second.Serial })

	if code := status(t, fmt.Sprintf("http://127.0.0.1:%d/.well-known/acme-challenge/other", plain)); code != http.StatusMovedPermanently {
		t.Errorf("what is not pending is answered with %d, not by the rules", code)
	}
	blocked := w.request("blocked.test")
	w.until("it failed", func(*store.View) bool { return w.certificate(blocked).Status == model.CertificateFailed })
	if c := w.certificate(blocked); c.Attempts.Reason != "DOMAIN_NOT_ALLOWED" {
		t.Errorf("a name that is not allowed: %+v", c.Attempts)
	}
	nowhere := w.request("nowhere.test")
	w.until("it is put off", func(*store.View) bool { return w.certificate(nowhere).Attempts.Failed == 1 })
	if c := w.certificate(nowhere); c.Status != model.CertificatePending || len(c.Challenges) != 0 {
		t.Errorf("a name that leads nowhere: %q %+v", c.Status, c)
	}
}

// TestACMEOverTLS has names proven by a listener of TLS, of either kind of load balancer, where there is none of HTTP. The
// listener has no certificate yet; the proof is all that it has to show, and only to who asks for it.
func TestACMEOverTLS(t *testing.T) {
	t.Parallel()
	for protocol, kind := range map[string]string{"HTTPS": model.Application, "TLS": model.NetworkLB} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			w, secure := newWorld(t), testneeds.Port(t)
			const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
			w.serve(secure, &model.LoadBalancer{ARN: arn + "loadbalancer/x/web/1", Name: "web", Type: kind, Address: "127.0.0.1"}, &model.Listener{
				ARN: arn + "listener/x/web/1/1", LoadBalancer: arn + "loadbalancer/x/web/1", Port: secure, Protocol: protocol, SSLPolicy: model.DefaultSSLPolicy,
				Actions: []model.Action{{Type: model.ActionFixed, Fixed: &model.FixedResponse{Status: 200}}},
			})
			server := acmetest.New(t, testneeds.Port(t), secure)
			key, err := issuer.AccountKey(keyfile.New())
			if err != nil {
				t.Fatal(err)
			}
			defer w.run(&issuer.ACME{Directory: server.Directory, Key: key, Roots: server.Trust, Agent: "maitred/test", Settle: time.Nanosecond})()
			resource := w.request("www.shop.test", "shop.test")
			w.untilIssued(resource, "")
			if c := w.certificate(resource); len(c.Challenges) > 0 || !strings.Contains(c.Issuer, "Pebble") {
				t.Errorf("it was issued as %+v", c)
			}
			c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", secure), &tls.Config{ServerName: "shop.test", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
			if err == nil {
				_ = c.Close()
				t.Error("what is not pending is proven")
			}
		})
	}
}

func (w *world) untilIssued(resource, not string) {
	w.t.Helper()
	w.until("it is issued", func(*store.View) bool {
		c := w.certificate(resource)
		if c.Attempts.Failed > 0 {
			w.t.Fatalf("it was refused: %+v", c.Attempts)
		}
		return c.Issued() && c.Serial != not
	})
}

// handshake tells the serial number of the certificate that a client is shown, "" if it does not trust it, or there is none.
func handshake(t *testing.T, port int, name string, roots *x509.CertPool) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/", port), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	parts := make([]string, 0, 20)
	for _, b := range answer.TLS.PeerCertificates[0].SerialNumber.Bytes() {
		parts = append(parts, fmt.Sprintf("%02x", b))
	}
	return strings.Join(parts, ":")
}

func status(t *testing.T, url string) int {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
