package acm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	// namesMax is how many names a certificate may have; at AWS the quota is 10 and may be raised.
	namesMax  = 100
	domainMax = 253
)

// requestCertificate has a certificate issued by the ACME server, if there is one. Else it makes one for development at
// once, signed by itself: nobody has to validate anything.
func (a *API) requestCertificate(
	ctx context.Context, call control.Call, in *acm.RequestCertificateInput,
) (*acm.RequestCertificateOutput, error) {
	names, err := requested(in)
	if err == nil && a.ACME {
		err = provable(in, names)
	}
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
	resource, err := a.request(ctx, call, control.CertificateRequest{
		ID: id, Names: names, Algorithm: cmp.Or(string(in.KeyAlgorithm), certificate.Requestable()[0]), Tags: tagsIn(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &acm.RequestCertificateOutput{CertificateArn: &resource}, nil
}

func (a *API) request(ctx context.Context, call control.Call, in control.CertificateRequest) (resource string, err error) {
	if a.ACME {
		err = a.Update(ctx, func(tx *store.Tx) error {
			resource, err = control.RequestCertificate(tx, call, in)
			return err
		})
		return resource, err
	}
	body, key, err := certificate.SelfSigned(in.Algorithm, in.Names, call.Now)
	if err != nil {
		return "", err
	}
	return a.store(ctx, call, control.NewCertificate{ID: in.ID, Type: model.CertificateRequested, Body: body, Key: key, Tags: in.Tags})
}

// provable refuses what cannot be proven to an ACME server by the load balancers alone.
func provable(in *acm.RequestCertificateInput, names []string) error {
	if in.ValidationMethod != "" && in.ValidationMethod != types.ValidationMethodHttp {
		return wire.Errorf("InvalidParameterException", "ValidationMethod %s is not supported: names are proven by the load balancers themselves, over HTTP at port 80, or over TLS at port 443 where no listener is of HTTP. Say HTTP, or leave it out.", in.ValidationMethod)
	}
	for _, n := range names {
		if strings.HasPrefix(n, "*.") {
			return wire.Errorf("InvalidParameterException", "A certificate for %s cannot be requested: a wildcard is proven through DNS, and names are proven over HTTP or TLS here. Name the hosts, or import a certificate.", n)
		}
	}
	return nil
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
	case in.KeyAlgorithm != "" && !slices.Contains(certificate.Requestable(), string(in.KeyAlgorithm)):
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
