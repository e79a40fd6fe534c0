package l4_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/model"
)

// certificate makes one for a name.
func certificate(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(cryptorand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func withCertificate(t testing.TB) func(*l4.Config) {
	front := certificate(t, "front.test")
	return func(c *l4.Config) {
		c.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return front, nil }
	}
}

func secure(t testing.TB, address string, config *tls.Config) *tls.Conn {
	t.Helper()
	config.InsecureSkipVerify = true
	c := tls.Client(dial(t, address), config)
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return c
}

// tlsBackend tells the name and the protocol that it negotiated, and echoes.
func tlsBackend(t testing.TB, protocols ...string) string {
	back := certificate(t, "back.test")
	return backend(t, func(raw *net.TCPConn) {
		c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{*back}, NextProtos: protocols})
		if c.HandshakeContext(t.Context()) != nil {
			return
		}
		state := c.ConnectionState()
		_, _ = io.WriteString(c, state.ServerName+" "+state.NegotiatedProtocol+"\n")
		_, _ = io.Copy(c, c)
		_ = c.CloseWrite()
	})
}

func TestTLSToTCP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TLS")
	w.groups[groupARN("g")].Protocol = "TCP"
	w.target(echo(t, "plain"))
	w.serve(withCertificate(t))
	c := secure(t, w.address, &tls.Config{ServerName: "front.test"})
	if got := line(t, c); got != "plain" || c.ConnectionState().PeerCertificates[0].Subject.CommonName != "front.test" {
		t.Errorf("got %q from %v", got, c.ConnectionState().PeerCertificates[0].Subject)
	}
	say(t, c, "hello")
	big := bytes.Repeat([]byte("0123456789"), 200_000)
	go func() {
		_, _ = c.Write(big)
		_ = c.CloseWrite()
	}()
	if back, err := io.ReadAll(c); err != nil || !bytes.Equal(back, big) {
		t.Errorf("got %d bytes, %v, want %d", len(back), err, len(big))
	}
	_ = c.Close()
	wantEnds(t, w.samples.ends(t, 1), map[l4.End]int{l4.EndClosed: 1})
	last := w.samples.list[len(w.samples.list)-1]
	if last.Protocol != "TLS" || last.ServerName != "front.test" || last.TLSVersion != tls.VersionTLS12 || last.Cipher == 0 {
		t.Errorf("the last sample is %+v", last)
	}
}

func TestTLSToTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TLS")
	w.listener.ALPN = []string{"HTTP2Preferred"}
	w.listener.SSLPolicy = "ELBSecurityPolicy-TLS13-1-3-2021-06"
	w.target(tlsBackend(t, "h2", "http/1.1"))
	w.serve(withCertificate(t))
	c := secure(t, w.address, &tls.Config{ServerName: "front.test", NextProtos: []string{"http/1.1", "h2"}})
	if got := line(t, c); got != "front.test h2" || c.ConnectionState().Version != tls.VersionTLS13 {
		t.Errorf("the target got %q; the version is %x", got, c.ConnectionState().Version)
	}
	say(t, c, "hello")
	_ = c.CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("at the end %q, %v", rest, err)
	}
	// TLS 1.2 is not what the policy has.
	old := tls.Client(dial(t, w.address), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err := old.HandshakeContext(t.Context()); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.2: %v, want the alert that says why", err)
	}
	if ends := w.samples.ends(t, 2); ends[l4.EndClientTLS] != 1 {
		t.Errorf("got ends %v", ends)
	}
}

func TestALPN(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]string{"": "", "None": "", "HTTP1Only": "http/1.1", "HTTP2Only": "h2", "HTTP2Optional": "http/1.1", "HTTP2Preferred": "h2"} {
		w := newWorld(t, "TLS")
		w.groups[groupARN("g")].Protocol = "TCP"
		if policy != "" {
			w.listener.ALPN = []string{policy}
		}
		w.target(echo(t, "plain"))
		w.serve(withCertificate(t))
		for offer, want := range map[string]string{"h2,http/1.1": want, "spdy": "", "": ""} {
			config := &tls.Config{}
			if offer != "" {
				config.NextProtos = strings.Split(offer, ",")
			}
			c := secure(t, w.address, config)
			if got := c.ConnectionState().NegotiatedProtocol; got != want {
				t.Errorf("policy %q, client %q: got %q, want %q", policy, offer, got, want)
			}
			line(t, c)
		}
	}
}

// TestTargetTLSFails has a target that speaks no TLS: another one takes the connection.
func TestTargetTLSFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TLS")
	w.target(backend(t, func(c *net.TCPConn) { _, _ = io.WriteString(c, "no TLS here, sorry\n") }))
	good := w.target(tlsBackend(t))
	w.serve(withCertificate(t))
	for range 10 {
		line(t, secure(t, w.address, &tls.Config{}))
	}
	w.targets[good.Group] = w.targets[good.Group][:0:0]
	w.target(dead(t))
	w.compile()
	c := secure(t, w.address, &tls.Config{})
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection without a target is not cut")
	}
}

// TestSilentClients hold nothing up: they negotiate slowly, or not at all.
func TestSilentClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "TLS")
	w.groups[groupARN("g")].Protocol = "TCP"
	w.target(echo(t, "plain"))
	w.serve(withCertificate(t))
	for i := range 20 {
		c := dial(t, w.address)
		_, _ = c.Write(bytes.Repeat([]byte{0x16, 3, 1}, i))
	}
	line(t, secure(t, w.address, &tls.Config{}))
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"TCP", "TLS"} {
		got := make(chan []byte, 1)
		w := newWorld(t, protocol)
		w.groups[groupARN("g")].Protocol = "TCP"
		w.attribute(model.AttributeProxyProtocol, "true")
		w.target(backend(t, func(c *net.TCPConn) {
			head := make([]byte, 28)
			_, _ = io.ReadFull(c, head) // before the client has said anything
			got <- head
			_, _ = io.Copy(c, c)
		}))
		w.serve(withCertificate(t))
		raw := dial(t, w.address)
		var c io.ReadWriter = raw
		if protocol == "TLS" {
			secured := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
			if err := secured.HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			c = secured
		}
		local, remote := raw.LocalAddr().(*net.TCPAddr), raw.RemoteAddr().(*net.TCPAddr)
		want := "0d0a0d0a000d0a515549540a" + "2111000c" + "7f0000017f000001" + hex.EncodeToString([]byte{
			byte(local.Port >> 8), byte(local.Port), byte(remote.Port >> 8), byte(remote.Port),
		})
		if head := hex.EncodeToString(await(t, "the header", got)); head != want {
			t.Errorf("%s: got %s, want %s", protocol, head, want)
		}
		say(t, c, "hello")
	}
}
