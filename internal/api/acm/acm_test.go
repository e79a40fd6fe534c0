package acm_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/google/go-cmp/cmp"

	api "github.com/maitred/maitred/internal/api/acm"
	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/model"
)

func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	apitest.WantTable(t, api.New(api.Deps{}).Service(), reflect.TypeFor[*client.Client](), "UnsupportedFeatureException")
}

// TestLife imports a certificate with its chain, looks at it in all ways, imports it anew and deletes it.
func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	root := issue(t, nil, ecKey(t, elliptic.P384()), authority("Root"))
	middle := issue(t, root, ecKey(t, elliptic.P256()), authority("Middle"))
	leaf := issue(t, middle, rsaKey(t, 2048), nil)
	resource := w.importing(leaf, middle, root)
	if !strings.HasPrefix(resource, "arn:aws:acm:eu-west-1:123456789012:certificate/") {
		t.Errorf("the ARN is %s", resource)
	}
	record, _ := w.store.View().Certificate(resource)
	if bytes.Contains(record.SealedKey, leaf.key[40:80]) {
		t.Error("the key is stored as it is")
	}
	key, err := w.keys.OpenFor(resource, record.SealedKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(record.Chain, key); err != nil {
		t.Errorf("what is stored is no pair: %v", err)
	}
	if _, err := w.keys.OpenFor(resource+"0", record.SealedKey); err == nil {
		t.Error("the key of one certificate is that of another one too")
	}
	got, err := w.GetCertificate(ctx, &client.GetCertificateInput{CertificateArn: &resource})
	if err != nil || *got.Certificate != string(leaf.cert) || *got.CertificateChain != string(middle.cert)+string(root.cert) {
		t.Errorf("GetCertificate = %v, %v", got, err)
	}
	w.put(&model.Listener{ARN: "arn:listener/1", LoadBalancer: "arn:lb", Certificates: []string{resource}})
	described, err := w.DescribeCertificate(ctx, &client.DescribeCertificateInput{CertificateArn: &resource})
	if err != nil {
		t.Fatal(err)
	}
	d := described.Certificate
	text := fmt.Sprint(*d.DomainName, d.SubjectAlternativeNames, *d.Subject, *d.Issuer, *d.Serial, d.KeyAlgorithm, *d.SignatureAlgorithm,
		d.Status, d.Type, d.InUseBy, d.KeyUsages[0].Name, *d.ExtendedKeyUsages[0].OID, d.ImportedAt.Equal(noon), d.IssuedAt == nil)
	want := "www.example.com[www.example.com *.example.com]CN=www.example.com,O=Example MiddleAB RSA_2048 SHA256WITHECDSA ISSUED IMPORTED [arn:lb] DIGITAL_SIGNATURE 1.3.6.1.5.5.7.3.1 true true"
	if want = strings.Replace(want, " MiddleAB", "Middleab:cd:ef", 1); strings.ReplaceAll(text, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	_, err = w.DeleteCertificate(ctx, &client.DeleteCertificateInput{CertificateArn: &resource})
	wantError(t, "delete what is in use", err, "ResourceInUseException")

	// A new one under the same ARN.
	next := issue(t, nil, ecKey(t, elliptic.P256()), nil)
	w.clock.Add(60)
	if out, err := w.ImportCertificate(ctx, &client.ImportCertificateInput{CertificateArn: &resource, Certificate: next.cert, PrivateKey: next.key}); err != nil || *out.CertificateArn != resource {
		t.Fatalf("import anew = %v, %v", out, err)
	}
	described, err = w.DescribeCertificate(ctx, &client.DescribeCertificateInput{CertificateArn: &resource})
	if d = described.Certificate; err != nil || d.KeyAlgorithm != types.KeyAlgorithmEcPrime256v1 || !d.CreatedAt.Equal(noon) || !d.ImportedAt.After(noon) {
		t.Errorf("after the new import: %+v, %v", d, err)
	}
	w.put(&model.Listener{ARN: "arn:listener/1", LoadBalancer: "arn:lb"})
	if _, err := w.DeleteCertificate(ctx, &client.DeleteCertificateInput{CertificateArn: &resource}); err != nil {
		t.Fatal(err)
	}
	_, err = w.GetCertificate(ctx, &client.GetCertificateInput{CertificateArn: &resource})
	wantError(t, "after it was deleted", err, "ResourceNotFoundException")
}

// TestKeys imports keys of every kind and in every form that openssl writes.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	algorithms := map[string]*pair{
		"RSA_1024": issue(t, nil, rsaKey(t, 1024), nil), "RSA_2048": issue(t, nil, rsaKey(t, 2048), nil), "RSA_3072": issue(t, nil, rsaKey(t, 3072), nil),
		"EC_prime256v1": issue(t, nil, ecKey(t, elliptic.P256()), nil), "EC_secp384r1": issue(t, nil, ecKey(t, elliptic.P384()), nil),
		"EC_secp521r1": issue(t, nil, ecKey(t, elliptic.P521()), nil),
	}
	pkcs1 := issue(t, nil, rsaKey(t, 2048), nil)
	for name, p := range algorithms {
		resource := w.importing(p)
		out, err := w.DescribeCertificate(t.Context(), &client.DescribeCertificateInput{CertificateArn: &resource})
		if err != nil || string(out.Certificate.KeyAlgorithm) != name {
			t.Errorf("%s: got %s, %v", name, out.Certificate.KeyAlgorithm, err)
		}
	}
	pkcs1.key = block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(mustRSA(pkcs1)))
	w.importing(pkcs1)
	sec1 := issue(t, nil, ecKey(t, elliptic.P256()), nil)
	der, err := x509.MarshalECPrivateKey(mustEC(sec1))
	if err != nil {
		t.Fatal(err)
	}
	sec1.key = append(block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}), block("EC PRIVATE KEY", der)...)
	w.importing(sec1)
}

// TestRequest makes certificates for development.
func TestRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	in := &client.RequestCertificateInput{
		DomainName: aws.String("App.Example.com"), SubjectAlternativeNames: []string{"*.example.com", "app.example.com"},
		ValidationMethod: types.ValidationMethodDns, KeyAlgorithm: types.KeyAlgorithmEcPrime256v1, IdempotencyToken: aws.String("once"),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	}
	first, err := w.RequestCertificate(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.RequestCertificate(ctx, in)
	if err != nil || *again.CertificateArn != *first.CertificateArn {
		t.Errorf("with the same token: %v, %v", again, err)
	}
	in.IdempotencyToken = nil
	if other, err := w.RequestCertificate(ctx, in); err != nil || *other.CertificateArn == *first.CertificateArn {
		t.Errorf("without a token: %v, %v", other, err)
	}
	out, err := w.DescribeCertificate(ctx, &client.DescribeCertificateInput{CertificateArn: first.CertificateArn})
	if err != nil {
		t.Fatal(err)
	}
	d := out.Certificate
	if d.Status != types.CertificateStatusIssued || d.Type != types.CertificateTypeAmazonIssued || d.IssuedAt == nil || len(d.DomainValidationOptions) != 2 ||
		d.DomainValidationOptions[0].ValidationStatus != types.DomainStatusSuccess || *d.DomainName != "app.example.com" {
		t.Errorf("got %+v", d)
	}
	// It is a certificate that a client can be told to trust.
	record, _ := w.store.View().Certificate(*first.CertificateArn)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(record.Chain)
	key, err := w.keys.OpenFor(record.ARN, record.SealedKey)
	if err != nil {
		t.Fatal(err)
	}
	served, err := tls.X509KeyPair(record.Chain, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := served.Leaf.Verify(x509.VerifyOptions{DNSName: "other.example.com", Roots: pool, CurrentTime: noon}); err != nil {
		t.Errorf("a client does not trust it: %v", err)
	}
	w.clock.Add(400 * 24 * 3600)
	out, err = w.DescribeCertificate(ctx, &client.DescribeCertificateInput{CertificateArn: first.CertificateArn})
	if err != nil || out.Certificate.Status != types.CertificateStatusExpired {
		t.Errorf("after 400 days it is %v, %v", out.Certificate.Status, err)
	}
}

// TestList pages and filters.
func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	small := rsaKey(t, 2048)
	var all []string
	for range 5 {
		w.clock.Add(1)
		all = append(all, w.importing(issue(t, nil, small, nil)))
	}
	ec := w.importing(issue(t, nil, ecKey(t, elliptic.P256()), func(c *x509.Certificate) { c.ExtKeyUsage = nil }))
	var got []string
	pages := client.NewListCertificatesPaginator(w, &client.ListCertificatesInput{MaxItems: aws.Int32(2)})
	for n := 0; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.CertificateSummaryList {
			got = append(got, *s.CertificateArn)
		}
		if n == 0 { // the one that the page ended with goes away
			if _, err := w.DeleteCertificate(ctx, &client.DeleteCertificateInput{CertificateArn: aws.String(got[1])}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	for name, test := range map[string]struct {
		in   client.ListCertificatesInput
		want int
	}{
		"elliptic curves": {client.ListCertificatesInput{Includes: &types.Filters{KeyTypes: []types.KeyAlgorithm{types.KeyAlgorithmEcPrime256v1}}}, 1},
		"of servers": {client.ListCertificatesInput{Includes: &types.Filters{
			KeyTypes: types.KeyAlgorithm("").Values(), ExtendedKeyUsage: []types.ExtendedKeyUsageName{types.ExtendedKeyUsageNameTlsWebServerAuthentication},
		}}, 4},
		"that sign":  {client.ListCertificatesInput{Includes: &types.Filters{KeyUsage: []types.KeyUsageName{types.KeyUsageNameCertificateSigning}}}, 0},
		"expired":    {client.ListCertificatesInput{CertificateStatuses: []types.CertificateStatus{types.CertificateStatusExpired}}, 0},
		"issued":     {client.ListCertificatesInput{CertificateStatuses: []types.CertificateStatus{types.CertificateStatusIssued}}, 4},
		"the newest": {client.ListCertificatesInput{SortBy: types.SortByCreatedAt, SortOrder: types.SortOrderDescending, MaxItems: aws.Int32(1)}, 1},
	} {
		out, err := w.ListCertificates(ctx, &test.in)
		if err != nil || len(out.CertificateSummaryList) != test.want {
			t.Errorf("%s: %d certificates, %v, want %d", name, len(out.CertificateSummaryList), err, test.want)
		}
		if name == "the newest" && *out.CertificateSummaryList[0].CertificateArn != all[4] {
			t.Errorf("the newest is %s", *out.CertificateSummaryList[0].CertificateArn)
		}
		if name == "elliptic curves" && *out.CertificateSummaryList[0].CertificateArn != ec {
			t.Errorf("got %v", out.CertificateSummaryList)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	p := issue(t, nil, ecKey(t, elliptic.P256()), nil)
	out, err := w.ImportCertificate(ctx, &client.ImportCertificateInput{
		Certificate: p.cert, PrivateKey: p.key, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("2")}, {Key: aws.String("b"), Value: aws.String("3")}, {Key: aws.String("c")}}
	if _, err := w.AddTagsToCertificate(ctx, &client.AddTagsToCertificateInput{CertificateArn: out.CertificateArn, Tags: tags}); err != nil {
		t.Fatal(err)
	}
	remove := []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b")}}
	if _, err := w.RemoveTagsFromCertificate(ctx, &client.RemoveTagsFromCertificateInput{CertificateArn: out.CertificateArn, Tags: remove}); err != nil {
		t.Fatal(err)
	}
	list, err := w.ListTagsForCertificate(ctx, &client.ListTagsForCertificateInput{CertificateArn: out.CertificateArn})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tag := range list.Tags {
		got = append(got, *tag.Key+"="+aws.ToString(tag.Value))
	}
	if diff := cmp.Diff([]string{"a=2", "c="}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}
