package acm

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

func (a *API) describeCertificate(
	_ context.Context, call control.Call, in *acm.DescribeCertificateInput,
) (*acm.DescribeCertificateOutput, error) {
	c, err := a.find(call, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	d := &types.CertificateDetail{
		CertificateArn: &c.ARN, CreatedAt: &c.CreatedAt, DomainName: &c.Names[0], SubjectAlternativeNames: c.Names,
		KeyAlgorithm: types.KeyAlgorithm(c.Algorithm), Type: types.CertificateType(c.Type), Status: status(c, call.Now),
		InUseBy:            append([]string{}, control.CertificateUsers(a.Store.View(), c.ARN)...),
		RenewalEligibility: a.eligibility(c), RenewalSummary: renewal(c),
		Options: &types.CertificateOptions{
			//nolint:staticcheck // it can no longer be chosen, but is told
			CertificateTransparencyLoggingPreference: types.CertificateTransparencyLoggingPreferenceDisabled,
		},
	}
	if len(c.Chain) > 0 {
		if err := describeLeaf(d, c); err != nil {
			return nil, err
		}
	}
	if c.Type == model.CertificateImported {
		d.ImportedAt = &c.ImportedAt
		return &acm.DescribeCertificateOutput{Certificate: d}, nil
	}
	d.IssuedAt = issuedAt(c)
	if c.Status == model.CertificateFailed {
		d.FailureReason = types.FailureReason(c.Attempts.Reason)
	}
	d.DomainValidationOptions = validations(c)
	return &acm.DescribeCertificateOutput{Certificate: d}, nil
}

// describeLeaf tells what the certificate itself says.
func describeLeaf(d *types.CertificateDetail, c *model.Certificate) error {
	leaf, err := leafOf(c)
	if err != nil {
		return err
	}
	d.Issuer, d.Serial, d.NotBefore, d.NotAfter = &c.Issuer, &c.Serial, &c.NotBefore, &c.NotAfter
	d.Subject, d.SignatureAlgorithm = aws.String(leaf.Subject.String()), aws.String(signature(leaf))
	for _, u := range keyUsages(leaf) {
		d.KeyUsages = append(d.KeyUsages, types.KeyUsage{Name: u})
	}
	for _, u := range extendedUsages(leaf) {
		d.ExtendedKeyUsages = append(d.ExtendedKeyUsages, types.ExtendedKeyUsage{Name: u.name, OID: aws.String(u.oid)})
	}
	return nil
}

// issuedAt is when a requested certificate was issued, nil: it was not. Older records do not tell.
func issuedAt(c *model.Certificate) *time.Time {
	switch {
	case !c.Issued():
		return nil
	case c.IssuedAt.IsZero():
		return &c.CreatedAt
	}
	return &c.IssuedAt
}

// eligibility says whether a certificate is renewed: what was requested is, from an ACME server only while it is used
// ("Managed certificate renewal").
func (a *API) eligibility(c *model.Certificate) types.RenewalEligibility {
	if c.Self() || c.ACME && c.Issued() && len(control.CertificateUsers(a.Store.View(), c.ARN)) > 0 {
		return types.RenewalEligibilityEligible
	}
	return types.RenewalEligibilityIneligible
}

// renewal tells of the last renewal of a certificate, nil if there was none.
func renewal(c *model.Certificate) *types.RenewalSummary {
	s := &types.RenewalSummary{DomainValidationOptions: validations(c), RenewalStatus: types.RenewalStatusSuccess, UpdatedAt: &c.RenewedAt}
	switch {
	case !c.Issued() || c.RenewedAt.IsZero() && c.Attempts.Failed == 0:
		return nil
	case c.Attempts.Failed > 0: // and it is tried again
		s.RenewalStatus, s.UpdatedAt = types.RenewalStatusPendingAutoRenewal, &c.Attempts.LastAt
		s.RenewalStatusReason = types.FailureReason(c.Attempts.Reason)
	}
	return s
}

// validations tells how names are proven.
func validations(c *model.Certificate) (list []types.DomainValidation) {
	method, state := types.ValidationMethodDns, types.DomainStatusSuccess
	if c.ACME {
		method = types.ValidationMethodHttp
	}
	switch c.Status {
	case model.CertificatePending:
		state = types.DomainStatusPendingValidation
	case model.CertificateFailed, model.CertificateTimedOut:
		state = types.DomainStatusFailed
	}
	for _, n := range c.Names {
		list = append(list, types.DomainValidation{
			DomainName: aws.String(n), ValidationDomain: aws.String(n), ValidationStatus: state, ValidationMethod: method,
		})
	}
	return list
}

// leafOf reads the certificate of a record.
func leafOf(c *model.Certificate) (*x509.Certificate, error) {
	block, _ := pem.Decode(c.Chain)
	if block == nil {
		return nil, fmt.Errorf("the record of %s has no certificate", c.ARN)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the record of %s: %w", c.ARN, err)
	}
	return leaf, nil
}

func status(c *model.Certificate, now time.Time) types.CertificateStatus {
	if !c.Issued() {
		return types.CertificateStatus(c.Status)
	}
	if now.After(c.NotAfter) {
		return types.CertificateStatusExpired
	}
	return types.CertificateStatusIssued
}

// signature names how a certificate is signed, as ACM does.
func signature(c *x509.Certificate) string {
	switch c.SignatureAlgorithm {
	case x509.SHA1WithRSA:
		return "SHA1WITHRSA"
	case x509.SHA256WithRSA:
		return "SHA256WITHRSA"
	case x509.SHA384WithRSA:
		return "SHA384WITHRSA"
	case x509.SHA512WithRSA:
		return "SHA512WITHRSA"
	case x509.ECDSAWithSHA256:
		return "SHA256WITHECDSA"
	case x509.ECDSAWithSHA384:
		return "SHA384WITHECDSA"
	case x509.ECDSAWithSHA512:
		return "SHA512WITHECDSA"
	default:
		return c.SignatureAlgorithm.String()
	}
}

func keyUsages(c *x509.Certificate) []types.KeyUsageName {
	var list []types.KeyUsageName
	for _, u := range []struct {
		bit  x509.KeyUsage
		name types.KeyUsageName
	}{
		{x509.KeyUsageDigitalSignature, types.KeyUsageNameDigitalSignature},
		{x509.KeyUsageContentCommitment, types.KeyUsageNameNonRepudation},
		{x509.KeyUsageKeyEncipherment, types.KeyUsageNameKeyEncipherment},
		{x509.KeyUsageDataEncipherment, types.KeyUsageNameDataEncipherment},
		{x509.KeyUsageKeyAgreement, types.KeyUsageNameKeyAgreement},
		{x509.KeyUsageCertSign, types.KeyUsageNameCertificateSigning},
		{x509.KeyUsageCRLSign, types.KeyUsageNameCrlSigning},
		{x509.KeyUsageEncipherOnly, types.KeyUsageNameEnchiperOnly},
		{x509.KeyUsageDecipherOnly, types.KeyUsageNameDecipherOnly},
	} {
		if c.KeyUsage&u.bit != 0 {
			list = append(list, u.name)
		}
	}
	return list
}

type extendedUsage struct {
	name types.ExtendedKeyUsageName
	oid  string
}

func extendedUsages(c *x509.Certificate) []extendedUsage {
	known := map[x509.ExtKeyUsage]extendedUsage{
		x509.ExtKeyUsageServerAuth:      {types.ExtendedKeyUsageNameTlsWebServerAuthentication, "1.3.6.1.5.5.7.3.1"},
		x509.ExtKeyUsageClientAuth:      {types.ExtendedKeyUsageNameTlsWebClientAuthentication, "1.3.6.1.5.5.7.3.2"},
		x509.ExtKeyUsageCodeSigning:     {types.ExtendedKeyUsageNameCodeSigning, "1.3.6.1.5.5.7.3.3"},
		x509.ExtKeyUsageEmailProtection: {types.ExtendedKeyUsageNameEmailProtection, "1.3.6.1.5.5.7.3.4"},
		x509.ExtKeyUsageTimeStamping:    {types.ExtendedKeyUsageNameTimeStamping, "1.3.6.1.5.5.7.3.8"},
		x509.ExtKeyUsageOCSPSigning:     {types.ExtendedKeyUsageNameOcspSigning, "1.3.6.1.5.5.7.3.9"},
		x509.ExtKeyUsageAny:             {types.ExtendedKeyUsageNameAny, "2.5.29.37.0"},
	}
	var list []extendedUsage
	for _, u := range c.ExtKeyUsage {
		if x, ok := known[u]; ok {
			list = append(list, x)
		}
	}
	for _, oid := range c.UnknownExtKeyUsage {
		list = append(list, extendedUsage{types.ExtendedKeyUsageNameCustom, oid.String()})
	}
	return list
}
