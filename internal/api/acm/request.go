package acm

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
)

const (
	// namesMax is how many names a certificate may have; at AWS the quota is 10 and may be raised.
	namesMax = 100
	// validity is how long a certificate made here is valid, as at AWS ("Managed certificate renewal").
	validity   = 395 * 24 * time.Hour
	domainMax  = 253
	commonName = 64 // at most so long
)

// requestCertificate makes a certificate for development, signed by itself, at once: nobody has to validate anything.
func (a *API) requestCertificate(
	ctx context.Context, call control.Call, in *acm.RequestCertificateInput,
) (*acm.RequestCertificateOutput, error) {
	names, err := requested(in)
	if err != nil {
		return nil, err
	}
	id := ""
	if in.IdempotencyToken != nil {
		id = idOf(call.Scope, *in.IdempotencyToken, names)
		resource := control.CertificateID(call.Scope, id)
		if _, ok := a.Store.View().Certificate(resource); ok {
			return &acm.RequestCertificateOutput{CertificateArn: &resource}, nil
		}
	}
	body, key, err := selfSigned(in.KeyAlgorithm, names, call.Now)
	if err != nil {
		return nil, err
	}
	resource, err := a.store(ctx, call, control.NewCertificate{
		ID: id, Type: control.CertificateIssued, Body: body, Key: key, Tags: tagsIn(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &acm.RequestCertificateOutput{CertificateArn: &resource}, nil
}

// idOf is the id of a certificate that is requested with a token: the same for the same request ("RequestCertificate").
func idOf(s arn.Scope, token string, names []string) string {
	sum := sha256.Sum256([]byte(s.Region + "\n" + s.Account + "\n" + token + "\n" + strings.Join(names, "\n")))
	return arn.UUID([16]byte(sum[:16]))
}

// requested checks a request and gives the names, the domain name first.
func requested(in *acm.RequestCertificateInput) ([]string, error) {
	if in.DomainName == nil {
		return nil, null("domainName")
	}
	var names []string
	for i, n := range append([]string{*in.DomainName}, in.SubjectAlternativeNames...) {
		if !validDomain(n) {
			member := "domainName"
			if i > 0 {
				member = "subjectAlternativeNames"
			}
			return nil, invalid("1 validation error detected: Value '%.300s' at '%s' failed to satisfy constraint: Member must be a domain name, as www.example.com or *.example.com", n, member)
		}
		if n = strings.ToLower(n); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) > namesMax {
		return nil, wire.Errorf("LimitExceededException", "The certificate would have %d names; at most %d are allowed.", len(names), namesMax)
	}
	return names, checkOptions(in)
}

func checkOptions(in *acm.RequestCertificateInput) error {
	switch {
	case in.CertificateAuthorityArn != nil:
		return wire.Errorf("InvalidArnException", "There are no private certificate authorities here: leave CertificateAuthorityArn out, and the certificate is signed by itself.")
	case in.ValidationMethod != "" && !slices.Contains(in.ValidationMethod.Values(), in.ValidationMethod):
		return oneOf("validationMethod", string(in.ValidationMethod), "DNS, EMAIL, HTTP")
	case in.KeyAlgorithm != "" && newKey(in.KeyAlgorithm) == nil:
		return oneOf("keyAlgorithm", string(in.KeyAlgorithm), "RSA_2048, EC_prime256v1, EC_secp384r1")
	case in.ManagedBy != "":
		return wire.Errorf("InvalidParameterException", "ManagedBy is not supported: no other service manages certificates here.")
	case in.Options != nil && in.Options.Export == types.CertificateExportEnabled:
		return wire.Errorf("InvalidParameterException", "Export is not supported: private keys are not given back.")
	case in.IdempotencyToken != nil && !tokenForm.MatchString(*in.IdempotencyToken):
		return invalid("1 validation error detected: Value '%.40s' at 'idempotencyToken' failed to satisfy constraint: Member must satisfy regular expression pattern: \\w+, and have at most 32 characters", *in.IdempotencyToken)
	}
	return nil
}

func oneOf(member, value, all string) error {
	return invalid("1 validation error detected: Value '%.100s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", value, member, all)
}

var (
	tokenForm  = regexp.MustCompile(`^\w{1,32}$`)
	domainForm = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$`)
)

func validDomain(n string) bool {
	return len(n) <= domainMax && domainForm.MatchString(n) && net.ParseIP(n) == nil
}

// newKey gives what makes a key, nil for an algorithm that cannot be requested ("RequestCertificate").
func newKey(algorithm types.KeyAlgorithm) func() (crypto.Signer, error) {
	curve := func(c elliptic.Curve) func() (crypto.Signer, error) {
		return func() (crypto.Signer, error) { return ecdsa.GenerateKey(c, rand.Reader) }
	}
	switch algorithm {
	case "", types.KeyAlgorithmRsa2048:
		const bits = 2048
		return func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, bits) }
	case types.KeyAlgorithmEcPrime256v1:
		return curve(elliptic.P256())
	case types.KeyAlgorithmEcSecp384r1:
		return curve(elliptic.P384())
	default:
		return nil
	}
}

// selfSigned makes a certificate and its key, both in PEM.
func selfSigned(algorithm types.KeyAlgorithm, names []string, now time.Time) (body, key []byte, err error) {
	private, err := newKey(algorithm)()
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	const serialBits = 127
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, DNSNames: names, NotBefore: now.Truncate(time.Second), NotAfter: now.Add(validity).Truncate(time.Second),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if len(names[0]) <= commonName {
		template.Subject = pkix.Name{CommonName: names[0]}
	}
	if _, ok := private.(*rsa.PrivateKey); ok {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}
