package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// world is certificates by ARN, with their keys as they are.
type world struct {
	t      *testing.T
	keys   map[string][]byte
	opened int
	cache  *Cache
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, keys: map[string][]byte{}}
	w.cache = New(func(c *model.Certificate) ([]byte, error) {
		w.opened++
		if key, ok := w.keys[c.ARN]; ok {
			return key, nil
		}
		return nil, errors.New("no key")
	})
	return w
}

func (w *world) issue(arn string, private crypto.Signer, names ...string) *model.Certificate {
	w.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys[arn] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return &model.Certificate{ARN: arn, Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func ec(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaOf(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// hello gives what a client with this configuration says first.
func hello(t *testing.T, config *tls.Config) *tls.ClientHelloInfo {
	t.Helper()
	client, server := net.Pipe()
	config.InsecureSkipVerify = true
	go func() {
		_ = tls.Client(client, config).Handshake()
		_ = client.Close()
	}()
	var got *tls.ClientHelloInfo
	_ = tls.Server(server, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		got = h
		return nil, errors.New("that is all")
	}}).Handshake()
	_ = server.Close()
	return got
}

func TestChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := []*model.Certificate{
		w.issue("default", rsaOf(t, 2048), "default.test"),
		w.issue("wild", ec(t), "*.example.com"),
		w.issue("exact-rsa", rsaOf(t, 2048), "www.example.com"),
		w.issue("exact-rsa-3072", rsaOf(t, 3072), "WWW.example.com", "big.example.com"),
		w.issue("exact-ec", ec(t), "www.example.com"),
		{ARN: "broken", Chain: []byte("?")},
	}
	choose := w.cache.Chooser(func() []*model.Certificate { return list })
	onlyRSA := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for name, test := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"exact, ECDSA":         {&tls.Config{ServerName: "www.example.com"}, "exact-ec"},
		"upper case":           {&tls.Config{ServerName: "WWW.Example.COM"}, "exact-ec"},
		"only RSA":             {&tls.Config{ServerName: "www.example.com", MaxVersion: tls.VersionTLS12, CipherSuites: onlyRSA}, "exact-rsa-3072"},
		"wildcard":             {&tls.Config{ServerName: "a.example.com"}, "wild"},
		"two labels":           {&tls.Config{ServerName: "a.b.example.com"}, "default"},
		"the parent":           {&tls.Config{ServerName: "example.com"}, "default"},
		"exact RSA, wild EC":   {&tls.Config{ServerName: "big.example.com"}, "exact-rsa-3072"},
		"the default by name":  {&tls.Config{ServerName: "default.test"}, "default"},
		"unknown":              {&tls.Config{ServerName: "nowhere.test"}, "default"},
		"no name":              {&tls.Config{}, "default"},
		"unknown, RSA":         {&tls.Config{ServerName: "nowhere.test", MaxVersion: tls.VersionTLS12, CipherSuites: onlyRSA}, "default"},
		"wildcard unsupported": {&tls.Config{ServerName: "a.example.com", MaxVersion: tls.VersionTLS12, CipherSuites: onlyRSA}, "wild"},
	} {
		got, err := choose(hello(t, test.config))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := w.cache.known[test.want].tls; got != want {
			t.Errorf("%s: got the one for %v, want %s", name, got.Leaf.DNSNames, test.want)
		}
	}
	if w.opened != len(list) {
		t.Errorf("keys were opened %d times, want once for each of %d", w.opened, len(list))
	}
}

// TestRenewal uses a new record from the next handshake on, and forgets what is gone.
func TestRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := []*model.Certificate{w.issue("a", ec(t), "one.test")}
	choose := w.cache.Chooser(func() []*model.Certificate { return list })
	first, err := choose(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	list = []*model.Certificate{w.issue("a", ec(t), "two.test")}
	second, err := choose(&tls.ClientHelloInfo{})
	if err != nil || first == second || second.Leaf.DNSNames[0] != "two.test" {
		t.Errorf("the old certificate is shown: %v, %v", second, err)
	}
	if old, now := w.cache.ARN(first), w.cache.ARN(second); old != "" || now != "a" {
		t.Errorf("the certificates are named %q, once it is not used any more, and %q", old, now)
	}
	w.cache.Forget(func(string) bool { return false })
	if len(w.cache.known) != 0 || len(w.cache.arns) != 0 {
		t.Error("a certificate is kept")
	}
	list = nil
	if got, err := choose(&tls.ClientHelloInfo{}); err == nil {
		t.Errorf("without certificates: %v", got)
	}
}

// TestErr tells why a certificate cannot be used, and looks again.
func TestErr(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.issue("a", ec(t), "a.test")
	key := w.keys["a"]
	delete(w.keys, "a")
	if err := w.cache.Err(c); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("got %v", err)
	}
	w.keys["a"] = key
	if err := w.cache.Err(c); err != nil {
		t.Errorf("with the key: %v", err)
	}
}

// FuzzMatching compares with what crypto/x509 says a client accepts.
func FuzzMatching(f *testing.F) {
	for _, seed := range [][2]string{
		{"www.example.com", "www.example.com"},
		{"*.example.com", "www.example.com"},
		{"*.example.com", "example.com"},
		{"*.example.com", ".example.com"},
		{"*.com", "a.com"},
		{"*", "a"},
		{"a.*.com", "a.b.com"},
		{"*.example.com", "*.example.com"},
		{"a.b", "A.B."},
		{"*.", "a."},
		{"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, host string) {
		if !plain(name) || !plain(host) || net.ParseIP(host) != nil {
			_, _ = matching([]string{name}, host)
			return
		}
		leaf := &x509.Certificate{DNSNames: []string{name}}
		want := leaf.VerifyHostname(host) == nil
		found, exact := matching([]string{strings.ToLower(name)}, host)
		if want && !found || exact && !found {
			t.Errorf("matching(%q, %q) = %t, %t, and a client accepts it: %t", name, host, found, exact, want)
		}
	})
}

// plain says that a name is one that certificates have.
func plain(name string) bool {
	return name != "" && len(name) < 250 && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789.-*") == ""
}
