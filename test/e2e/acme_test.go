package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/issuer/acmetest"
	"github.com/maitred/maitred/internal/testneeds"
)

// TestACME gets a certificate from Let's Encrypt's test server, as a user would: a load balancer with a listener of HTTP, a
// request, and when it is issued a listener of HTTPS.
func TestACME(t *testing.T) {
	t.Parallel()
	plain, secure := testneeds.Port(t), testneeds.Port(t)
	server := acmetest.New(t, plain, secure)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, server.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	p := up(t, stateDir(t), "--acme-directory", server.Directory, "--acme-email", "ops@example.com", "--acme-ca", ca)
	b := &balanced{t: t}
	b.connect(p.api)
	certificates := acm.New(acm.Options{Region: "us-east-1", BaseEndpoint: aws.String(p.api), Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "maitred", SecretAccessKey: "maitred"}, nil
		})})

	_, subnets := places(t, p.api)
	made, err := b.elb.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: aws.String("front"), Subnets: subnets})
	b.must(err)
	b.balancer = *made.LoadBalancers[0].LoadBalancerArn
	listen := func(port int, protocol elbtypes.ProtocolEnum, certificate *string) {
		in := &elb.CreateListenerInput{
			LoadBalancerArn: &b.balancer, Port: aws.Int32(int32(port)), Protocol: protocol, //nolint:gosec // a port
			DefaultActions: []elbtypes.Action{{
				Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("404")},
			}},
		}
		if certificate != nil {
			in.Certificates = []elbtypes.Certificate{{CertificateArn: certificate}}
		}
		_, err := b.elb.CreateListener(t.Context(), in)
		b.must(err)
		address := net.JoinHostPort(*made.LoadBalancers[0].DNSName, strconv.Itoa(port))
		eventually(t, "the listener is served", func() bool { return !closed(address) })
	}
	listen(plain, elbtypes.ProtocolEnumHttp, nil)

	requested, err := certificates.RequestCertificate(t.Context(), &acm.RequestCertificateInput{
		DomainName: aws.String("www.shop.test"), SubjectAlternativeNames: []string{"shop.test"}, ValidationMethod: acmtypes.ValidationMethodHttp,
	})
	b.must(err)
	eventually(t, "the certificate is issued", func() bool {
		out, err := certificates.DescribeCertificate(t.Context(), &acm.DescribeCertificateInput{CertificateArn: requested.CertificateArn})
		b.must(err)
		return out.Certificate.Status == acmtypes.CertificateStatusIssued
	})
	listen(secure, elbtypes.ProtocolEnumHttps, requested.CertificateArn)
	address := net.JoinHostPort(*made.LoadBalancers[0].DNSName, strconv.Itoa(secure))
	for _, name := range []string{"www.shop.test", "shop.test"} {
		conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: server.Roots, MinVersion: tls.VersionTLS12}) //nolint:noctx // of this machine
		if err != nil {
			t.Errorf("a client that trusts the authority, and asks for %s: %v", name, err)
			continue
		}
		_ = conn.Close()
	}
}
