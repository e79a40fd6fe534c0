package l7_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/model"
)

// certificate makes one for a name.
func certificate(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func https(t testing.TB) option {
	one, two := certificate(t, "one.test"), certificate(t, "two.test")
	return func(r *rig, c *l7.Config) {
		r.record.Protocol, r.record.Port, r.record.SSLPolicy = "HTTPS", 443, "ELBSecurityPolicy-TLS13-1-2-2021-06"
		c.Certificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == "two.test" {
				return two, nil
			}
			return one, nil
		}
		c.CertificateARN = func(cert *tls.Certificate) string {
			if cert == two {
				return "arn:two"
			}
			return "arn:one"
		}
	}
}

// speaking is a client that speaks one version of HTTP only.
func speaking(t testing.TB, name string, http2, secure bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2 && secure)
	p.SetUnencryptedHTTP2(http2 && !secure)
	tr := &http.Transport{Protocols: &p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name}, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	r := newRig(t, https(t), attribute(model.AttributeTLSHeaders, "true"))
	rec := newRecorder(t)
	r.target(r.group("app", nil), rec.addr)
	for i, tt := range []struct {
		name, kind, cert string
		http2            bool
	}{{"one.test", "https", "arn:one", false}, {"two.test", "h2", "arn:two", true}, {"other.test", "h2", "arn:one", true}} {
		resp, err := speaking(t, tt.name, tt.http2, true).Get("https://" + r.addr + "/x")
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, resp); text != "ok" || (resp.ProtoMajor == 2) != tt.http2 {
			t.Errorf("%s: got %q over %s", tt.name, text, resp.Proto)
		}
		e := r.entry(i + 1)
		if e.Type != tt.kind || e.Certificate != tt.cert || e.Domain != tt.name || e.TLS != "TLSv1.3" || e.Cipher != "TLS_AES_128_GCM_SHA256" {
			t.Errorf("the access log says %s", e.Append(nil))
		}
	}
	for _, want := range []string{"X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Amzn-Tls-Version: TLSv1.3", "X-Amzn-Tls-Cipher-Suite: TLS_AES_128_GCM_SHA256"} {
		if !strings.Contains(rec.bytes(), want+"\r\n") {
			t.Errorf("the target did not get %q: %q", want, rec.bytes())
		}
	}
	c, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 is spoken in spite of the policy")
	}
	eventually(t, "a failed handshake is counted", func() bool {
		n := r.server.Connections()
		return n.Handshakes == 3 && n.FailedHandshakes == 1
	})
}

// TestTLSNames has the listener give other names to what targets are told of TLS. Clients cannot say it in our place.
func TestTLSNames(t *testing.T) {
	t.Parallel()
	for _, told := range []string{"true", "false"} {
		r := newRig(t, https(t), attribute(model.AttributeTLSHeaders, told), func(r *rig, _ *l7.Config) {
			r.record.Attributes[model.AttributeTLSVersionName], r.record.Attributes[model.AttributeTLSCipherName] = "X-Tls-Is", "X-Cipher-Is"
		})
		rec := newRecorder(t)
		r.target(r.group("app", nil), rec.addr)
		for i, http2 := range []bool{false, false, true} { // the first one makes the connection on which the next one goes the express way
			req, err := http.NewRequest(http.MethodGet, "https://"+r.addr+"/x", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"X-Tls-Is", "x-cipher-is", "X-Amzn-Tls-Version", "X-Amzn-Tls-Cipher-Suite"} {
				req.Header.Set(name, "forged")
			}
			resp, err := speaking(t, "one.test", http2, true).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body(t, resp)
			got, want := rec.bytes(), 0
			if told == "true" {
				want = i + 1
			}
			if n := strings.Count(got, "\r\nX-Tls-Is: TLSv1.3\r\n"); n != want || strings.Count(got, "\r\nX-Cipher-Is: TLS_AES_128_GCM_SHA256\r\n") != want {
				t.Errorf("HTTP/2 %t, told %s: the target got %q", http2, told, got)
			}
			if strings.Contains(got, "forged") || strings.Contains(got, "X-Amzn-Tls") {
				t.Errorf("HTTP/2 %t, told %s: the target got %q", http2, told, got)
			}
		}
	}
}

// TestProtocolVersions sends requests of each kind to groups of each version ("Protocol versions").
func TestProtocolVersions(t *testing.T) {
	t.Parallel()
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	target := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Version", req.Proto)
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.WriteString(w, "ok")
		w.Header().Set("Grpc-Status", "0")
	}))
	target.Config.Protocols = &p
	target.Start()
	t.Cleanup(target.Close)
	for _, tt := range []struct {
		version, request string
		code             int
		proto            string
	}{
		{"HTTP1", "GET 1", 200, "HTTP/1.1"},
		{"HTTP1", "GET 2", 200, "HTTP/1.1"},
		{"HTTP1", "gRPC", 464, ""},
		{"HTTP2", "GET 1", 464, ""},
		{"HTTP2", "GET 2", 200, "HTTP/2.0"},
		{"HTTP2", "gRPC", 200, "HTTP/2.0"},
		{"GRPC", "GET 1", 464, ""},
		{"GRPC", "GET 2", 464, ""},
		{"GRPC", "POST 2", 200, "HTTP/2.0"},
		{"GRPC", "gRPC", 200, "HTTP/2.0"},
	} {
		t.Run(tt.version+" "+tt.request, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", func(g *model.TargetGroup) { g.ProtocolVersion = tt.version }), strings.TrimPrefix(target.URL, "http://"))
			method := map[string]string{"GET 1": "GET", "GET 2": "GET"}[tt.request]
			if method == "" {
				method = "POST"
			}
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+"/a.B/c", strings.NewReader("message"))
			if err != nil {
				t.Fatal(err)
			}
			if method == "GET" {
				req.Body, req.ContentLength = nil, 0
			}
			if tt.request == "gRPC" {
				req.Header.Set("Content-Type", "application/grpc")
				req.Header.Set("Te", "trailers")
			}
			resp, err := speaking(t, "", !strings.HasSuffix(tt.request, "1"), false).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, resp)
			if resp.StatusCode != tt.code || resp.Header.Get("Version") != tt.proto {
				t.Errorf("got %d %q from a target of %q", resp.StatusCode, text, resp.Header.Get("Version"))
			}
			if tt.code == 200 && resp.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("the trailers are %v", resp.Trailer)
			}
		})
	}
}

// TestTargetsOverTLS speaks HTTPS to targets, whose certificates nobody vouches for.
func TestTargetsOverTLS(t *testing.T) {
	t.Parallel()
	target := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(w, req.Proto) }))
	target.EnableHTTP2 = true
	target.StartTLS()
	t.Cleanup(target.Close)
	for version, want := range map[string]string{"HTTP1": "HTTP/1.1", "HTTP2": "HTTP/2.0"} {
		r := newRig(t)
		r.target(r.group("app", func(g *model.TargetGroup) { g.Protocol, g.ProtocolVersion = "HTTPS", version }), strings.TrimPrefix(target.URL, "https://"))
		resp, err := speaking(t, "", true, false).Get("http://" + r.addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, resp); got != want {
			t.Errorf("%s: the target speaks %q", version, got)
		}
	}
	plain := newRecorder(t)
	r := newRig(t)
	r.target(r.group("app", func(g *model.TargetGroup) { g.Protocol = "HTTPS" }), plain.addr)
	if resp, _ := r.get("/"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("a target without TLS: got %d", resp.StatusCode)
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	target := handler(t, func(w http.ResponseWriter, req *http.Request) {
		c, err := websocket.Accept(w, req, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, text, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), kind, bytes.ToUpper(text)) != nil {
				return
			}
		}
	})
	r := newRig(t)
	r.target(r.group("app", nil), target)
	c, _, err := websocket.Dial(t.Context(), "ws://"+r.addr+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"hello", strings.Repeat("x", 20000)} {
		if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		want := strings.ToUpper(text)
		_, got, err := c.Read(t.Context())
		if err != nil || string(got) != want {
			t.Fatalf("got %.20q, %v", got, err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	if e := r.entry(1); e.Type != "ws" || e.Code != 101 || e.TargetCode != 101 || e.Sent < 20000 || e.Received < 20000 {
		t.Errorf("the access log says %s", e.Append(nil))
	}
}

// TestStreaming sends a body piece by piece, and each piece comes back before the next one is sent.
func TestStreaming(t *testing.T) {
	t.Parallel()
	echo := handler(t, func(w http.ResponseWriter, req *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		buf := make([]byte, 100)
		for {
			n, err := req.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = c.Flush()
			if err != nil {
				return
			}
		}
	})
	r := newRig(t)
	r.target(r.group("app", nil), echo)
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		in, out := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr, in)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(out, "first") }()
		resp, err := speaking(t, "", http2, false).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := bufio.NewReader(resp.Body)
		for _, piece := range []string{"first", "second", "third"} {
			if piece != "first" {
				if _, err := io.WriteString(out, piece); err != nil {
					t.Fatal(err)
				}
			}
			b := make([]byte, len(piece))
			if _, err := io.ReadFull(got, b); err != nil || string(b) != piece {
				t.Fatalf("%s: got %q, %v", name, b, err)
			}
		}
		_ = out.Close()
		if rest, err := io.ReadAll(got); err != nil || len(rest) > 0 {
			t.Errorf("%s: the rest is %q, %v", name, rest, err)
		}
		_ = resp.Body.Close()
	}
}

func TestBigBodies(t *testing.T) {
	t.Parallel()
	echo := handler(t, func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		_, _ = w.Write(b)
	})
	r := newRig(t)
	r.target(r.group("app", nil), echo)
	text := strings.Repeat("0123456789", 300_000)
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for _, sized := range []bool{true, false} {
			var from io.Reader = strings.NewReader(text)
			if !sized {
				from = io.MultiReader(from)
			}
			resp, err := speaking(t, "", http2, false).Post("http://"+r.addr, "text/plain", from)
			if err != nil {
				t.Fatal(err)
			}
			if got := body(t, resp); got != text {
				t.Errorf("%s: %d bytes come back, want %d", name, len(got), len(text))
			}
		}
	}
}

func TestHTTP10(t *testing.T) {
	t.Parallel()
	target := handler(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "thing")
	})
	r := newRig(t)
	r.target(r.group("app", nil), target)
	got := r.raw("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if !strings.HasSuffix(got, "\r\n\r\nsomething") || strings.Contains(got, "chunked") || !strings.Contains(got, "Connection: close\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestExpect(t *testing.T) {
	t.Parallel()
	target := handler(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		b, _ := io.ReadAll(req.Body)
		_, _ = w.Write(b)
	})
	r := newRig(t)
	r.target(r.group("app", nil), target)
	c := r.dial()
	in := bufio.NewReader(c)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if line, err := in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	_, _ = in.ReadString('\n')
	_, _ = io.WriteString(c, "hello"+"GET /no HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, want := range []string{"200 OK", "403 Forbidden"} {
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.Status != want {
			t.Fatalf("got %v, %v, want %s", resp, err, want)
		}
		body(t, resp)
	}
	// A target that answers without the body: what the client sends next must not be read as a request.
	got := codes(t, r.raw("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: "+"38\r\nExpect: 100-continue\r\n\r\n"+evil))
	if got != "403" {
		t.Errorf("got %q", got)
	}
}
