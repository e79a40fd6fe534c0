package acm_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (w *world) describe(arn *string) *types.CertificateDetail {
	w.t.Helper()
	out, err := w.DescribeCertificate(w.t.Context(), &client.DescribeCertificateInput{CertificateArn: arn})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Certificate
}

func (w *world) call() control.Call {
	now := noon.Add(time.Duration(w.clock.Load()) * time.Second)
	return control.Call{Scope: arn.Scope{Region: region, Account: account}, Operation: "issuer", Now: now}
}

// as has the issuer do something with a certificate.
func (w *world) as(resource *string, do func(*store.Tx, *model.Certificate) error) {
	w.t.Helper()
	c, _ := w.store.View().Certificate(*resource)
	if _, err := w.store.Update(w.t.Context(), func(tx *store.Tx) error { return do(tx, c) }); err != nil {
		w.t.Fatal(err)
	}
}

// TestRequestOfACME follows a certificate that an ACME server issues, as the API tells of it.
func TestRequestOfACME(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, true)
	ctx := t.Context()
	in := &client.RequestCertificateInput{DomainName: aws.String("www.example.com"), SubjectAlternativeNames: []string{"example.com"}, IdempotencyToken: aws.String("once")}
	first, err := w.RequestCertificate(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.RequestCertificate(ctx, in); err != nil || *again.CertificateArn != *first.CertificateArn {
		t.Errorf("with the same token: %v, %v", again, err)
	}
	d := w.describe(first.CertificateArn)
	if d.Status != types.CertificateStatusPendingValidation || d.IssuedAt != nil || d.Serial != nil || d.NotAfter != nil || d.KeyAlgorithm != types.KeyAlgorithmRsa2048 ||
		len(d.DomainValidationOptions) != 2 || d.DomainValidationOptions[0].ValidationMethod != types.ValidationMethodHttp ||
		d.DomainValidationOptions[1].ValidationStatus != types.DomainStatusPendingValidation {
		t.Errorf("while it is pending: %+v", d)
	}
	_, err = w.GetCertificate(ctx, &client.GetCertificateInput{CertificateArn: first.CertificateArn})
	wantError(t, "get what is pending", err, "RequestInProgressException")
	list, err := w.ListCertificates(ctx, &client.ListCertificatesInput{CertificateStatuses: []types.CertificateStatus{types.CertificateStatusPendingValidation}})
	if err != nil || len(list.CertificateSummaryList) != 1 || list.CertificateSummaryList[0].NotAfter != nil {
		t.Errorf("the list of what is pending: %+v, %v", list, err)
	}

	body, key, err := certificate.SelfSigned("RSA_2048", []string{"example.com", "www.example.com"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(_ string, key []byte) ([]byte, error) { return key, nil }
	w.as(first.CertificateArn, func(tx *store.Tx, c *model.Certificate) error {
		return control.IssueCertificate(tx, w.call(), c, body, key, seal)
	})
	d = w.describe(first.CertificateArn)
	if d.Status != types.CertificateStatusIssued || *d.DomainName != "www.example.com" || d.IssuedAt == nil || d.RenewalSummary != nil ||
		d.RenewalEligibility != types.RenewalEligibilityIneligible || d.DomainValidationOptions[0].ValidationStatus != types.DomainStatusSuccess {
		t.Errorf("when it is issued: %+v", d)
	}
	w.put(&model.Listener{ARN: "arn:listener", LoadBalancer: "arn:lb", Certificates: []string{*first.CertificateArn}})
	w.as(first.CertificateArn, func(tx *store.Tx, c *model.Certificate) error {
		return control.NoteRefusal(tx, w.call(), c, control.CertificateRefused{Reason: "OTHER", Problem: "not now", Pause: time.Hour})
	})
	d = w.describe(first.CertificateArn)
	if s := d.RenewalSummary; d.RenewalEligibility != types.RenewalEligibilityEligible || s == nil || s.RenewalStatus != types.RenewalStatusPendingAutoRenewal || s.RenewalStatusReason != types.FailureReasonOther {
		t.Errorf("while it cannot be renewed: %+v", d)
	}
	w.as(first.CertificateArn, func(tx *store.Tx, c *model.Certificate) error {
		return control.IssueCertificate(tx, w.call(), c, body, key, seal)
	})
	if s := w.describe(first.CertificateArn).RenewalSummary; s == nil || s.RenewalStatus != types.RenewalStatusSuccess || s.UpdatedAt == nil {
		t.Errorf("when it was renewed: %+v", s)
	}
}

// TestRefusedByACME tells of a certificate that an ACME server does not issue.
func TestRefusedByACME(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, true)
	out, err := w.RequestCertificate(t.Context(), &client.RequestCertificateInput{DomainName: aws.String("www.example.com"), ValidationMethod: types.ValidationMethodHttp})
	if err != nil {
		t.Fatal(err)
	}
	w.as(out.CertificateArn, func(tx *store.Tx, c *model.Certificate) error {
		return control.NoteRefusal(tx, w.call(), c, control.CertificateRefused{Reason: "CAA_ERROR", Problem: "forbidden", Final: true})
	})
	d := w.describe(out.CertificateArn)
	if d.Status != types.CertificateStatusFailed || d.FailureReason != types.FailureReasonCaaError || d.DomainValidationOptions[0].ValidationStatus != types.DomainStatusFailed {
		t.Errorf("got %+v", d)
	}
	_, err = w.GetCertificate(t.Context(), &client.GetCertificateInput{CertificateArn: out.CertificateArn})
	wantError(t, "get what failed", err, "ResourceNotFoundException")

	for name, in := range map[string]*client.RequestCertificateInput{
		"by DNS":     {DomainName: aws.String("www.example.com"), ValidationMethod: types.ValidationMethodDns},
		"by mail":    {DomainName: aws.String("www.example.com"), ValidationMethod: types.ValidationMethodEmail},
		"a wildcard": {DomainName: aws.String("*.example.com")},
	} {
		_, err := w.RequestCertificate(t.Context(), in)
		wantError(t, name, err, "InvalidParameterException")
	}
}
