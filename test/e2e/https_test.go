package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// selfSigned writes a certificate for a name and its key as PEM files, and gives it.
func selfSigned(t *testing.T, name string) (certificate *x509.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, BasicConstraintsValid: true, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, certFile, keyFile
}

// over is a client that speaks TLS with who has one of the certificates, as a server of some name.
func over(roots *x509.CertPool, name string, http2 bool) func() *http.Transport {
	return func() *http.Transport {
		return &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: http2,
			MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1,
		}
	}
}

// TestHTTPS serves a listener with a certificate that was imported and one that was requested, each for its own name, to
// clients of both versions of HTTP, while the service is updated; a certificate that is replaced is shown at once.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	c := newCLI(t, p.api)
	shop, certFile, keyFile := selfSigned(t, "shop.example")
	imported := c.aws("acm", "import-certificate", "--certificate", "fileb://"+certFile, "--private-key", "fileb://"+keyFile,
		"--query", "CertificateArn", "--output", "text")
	requested := c.aws("acm", "request-certificate", "--domain-name", "*.dev.example", "--query", "CertificateArn", "--output", "text")
	c.aws("acm", "wait", "certificate-validated", "--certificate-arn", requested)
	roots := x509.NewCertPool()
	roots.AddCert(shop)
	if !roots.AppendCertsFromPEM([]byte(c.aws("acm", "get-certificate", "--certificate-arn", requested, "--query", "Certificate", "--output", "text"))) {
		t.Fatal("the certificate that was requested is none")
	}
	const n = 2
	b := newBalanced(t, p.api, elbtypes.LoadBalancerTypeEnumApplication, n, func(in *elb.CreateListenerInput) {
		in.Protocol, in.Certificates = elbtypes.ProtocolEnumHttps, []elbtypes.Certificate{{CertificateArn: &imported}}
		in.SslPolicy = aws.String("ELBSecurityPolicy-TLS13-1-2-2021-06")
	})
	listener := c.aws("elbv2", "describe-listeners", "--load-balancer-arn", b.balancer, "--query", "Listeners[0].ListenerArn", "--output", "text")
	c.aws("elbv2", "add-listener-certificates", "--listener-arn", listener, "--certificates", "CertificateArn="+requested)
	eventually(t, "the second certificate is shown", func() bool { return shown(t, b.address, "a.dev.example").VerifyHostname("a.dev.example") == nil })

	l := flood(t, "https://"+b.address,
		requests{name: "HTTP/1.1 by the first", connections: 2, transport: over(roots, "shop.example", false)},
		requests{name: "HTTP/2 by the first", connections: 2, transport: over(roots, "shop.example", true), protocol: "HTTP/2.0"},
		requests{name: "HTTP/2 by the second", connections: 2, transport: over(roots, "a.dev.example", true), protocol: "HTTP/2.0", body: 5000},
	)
	b.update()
	b.settled(n)

	again, certFile, keyFile := selfSigned(t, "shop.example")
	c.aws("acm", "import-certificate", "--certificate-arn", imported, "--certificate", "fileb://"+certFile, "--private-key", "fileb://"+keyFile)
	eventually(t, "the certificate that replaced the first is shown", func() bool { return shown(t, b.address, "shop.example").Equal(again) })
	l.forget()
	eventually(t, "requests go on", func() bool { return len(l.reached()) >= n })
	l.report()
	if _, err := (&http.Client{Transport: over(roots, "elsewhere.example", false)()}).Get("https://" + b.address + "/"); err == nil { //nolint:noctx // it is refused
		t.Error("a client that wants another name is satisfied")
	}
}

// shown is the certificate that a client which asks for a name is shown.
func shown(t *testing.T, address, name string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec,noctx // it is looked at, not trusted
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}
