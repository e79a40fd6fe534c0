// Package acmetest is an ACME server for tests: Let's Encrypt's own, in the test's process. It asks for proofs at 127.0.0.1,
// and nothing of it leaves the machine.
package acmetest

import (
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Worker is a goroutine of the server that never ends; tests that look for goroutines pass over it.
const Worker = "github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"

// validity is how long its certificates are valid, in seconds: 90 days, as Let's Encrypt's.
const validity = 90 * 24 * 3600

// Setup has servers ask for proofs at once, and lose no request on purpose. It is for TestMain: it sets variables of the
// process.
func Setup() error {
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Server is an ACME server. It knows the names below test, all of which lead to 127.0.0.1, but for nowhere.test, which leads
// nowhere; and it issues for all of them but blocked.test.
type Server struct {
	Directory string         // URL
	Trust     *x509.CertPool // has the authority of the server's own certificate,
	CA        []byte         // which is this one, in PEM
	Roots     *x509.CertPool // vouch for what it issues
}

// New starts a server, which asks for proofs by HTTP and by TLS at two ports, and ends with the test.
func New(t testing.TB, plain, secure int) *Server {
	t.Helper()
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	memory := db.NewMemoryStore()
	if err := memory.AddBlockedDomain("blocked.test"); err != nil {
		t.Fatal(err)
	}
	authority := ca.New(quiet, memory, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: validity}})
	validation := va.New(quiet, plain, secure, false, newResolver(t), memory)
	front := wfe.New(quiet, memory, validation, authority, nil, false, false, 1, 1)
	web := httptest.NewTLSServer(front.Handler())
	t.Cleanup(web.Close)
	s := &Server{Directory: web.URL + wfe.DirectoryPath, Trust: x509.NewCertPool(), Roots: x509.NewCertPool()}
	s.Trust.AddCert(web.Certificate())
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	s.Roots.AddCert(authority.GetRootCert(0).Cert)
	return s
}

// newResolver is a DNS server.
func newResolver(t testing.TB) (address string) {
	t.Helper()
	c, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		q := r.Question[0]
		if q.Qtype == dns.TypeA && strings.HasSuffix(q.Name, ".test.") && q.Name != "nowhere.test." {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: q.Qclass}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m)
	})}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c.Addr().String()
}
