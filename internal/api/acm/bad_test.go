package acm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

func mustRSA(p *pair) *rsa.PrivateKey  { return p.private.(*rsa.PrivateKey) }
func mustEC(p *pair) *ecdsa.PrivateKey { return p.private.(*ecdsa.PrivateKey) }

func tag(key string) types.Tag { return types.Tag{Key: &key, Value: aws.String("v")} }

// TestBadImports sends certificates that are bad for one thing; nothing changes.
func TestBadImports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := issue(t, nil, ecKey(t, elliptic.P256()), authority("Root"))
	middle := issue(t, root, ecKey(t, elliptic.P256()), authority("Middle"))
	leaf := issue(t, middle, ecKey(t, elliptic.P256()), nil)
	other := issue(t, nil, ecKey(t, elliptic.P256()), nil)
	expiredRoot := issue(t, nil, ecKey(t, elliptic.P256()), func(c *x509.Certificate) {
		authority("Old")(c)
		c.NotAfter = noon.Add(-time.Minute)
	})
	self := func(change func(*x509.Certificate)) *pair { return issue(t, nil, ecKey(t, elliptic.P256()), change) }
	imported := w.importing(other)
	made, err := w.RequestCertificate(t.Context(), &client.RequestCertificateInput{DomainName: aws.String("a.example.com"), KeyAlgorithm: types.KeyAlgorithmEcPrime256v1})
	if err != nil {
		t.Fatal(err)
	}
	full := func(p *pair) client.ImportCertificateInput {
		return client.ImportCertificateInput{Certificate: p.cert, PrivateKey: p.key}
	}
	with := func(p *pair, change func(*client.ImportCertificateInput)) client.ImportCertificateInput {
		in := full(p)
		change(&in)
		return in
	}
	chained := func(p *pair, chain ...*pair) client.ImportCertificateInput {
		return with(p, func(in *client.ImportCertificateInput) {
			for _, c := range chain {
				in.CertificateChain = append(in.CertificateChain, c.cert...)
			}
		})
	}
	type input = client.ImportCertificateInput
	const validation = "ValidationException"
	for name, test := range map[string]struct {
		in   input
		code string
	}{
		"no certificate":            {with(other, func(in *input) { in.Certificate = nil }), validation},
		"no key":                    {with(other, func(in *input) { in.PrivateKey = nil }), validation},
		"no PEM":                    {with(other, func(in *input) { in.Certificate = []byte("hello") }), validation},
		"DER":                       {with(other, func(in *input) { in.Certificate = other.x509.Raw }), validation},
		"a key as the certificate":  {with(other, func(in *input) { in.Certificate = other.key }), validation},
		"two certificates":          {with(leaf, func(in *input) { in.Certificate = append(bytes.Clone(leaf.cert), middle.cert...) }), validation},
		"text behind":               {with(other, func(in *input) { in.Certificate = append(bytes.Clone(other.cert), "more"...) }), validation},
		"broken bytes":              {with(other, func(in *input) { in.Certificate = block("CERTIFICATE", other.x509.Raw[1:]) }), validation},
		"a long certificate":        {with(other, func(in *input) { in.Certificate = bytes.Repeat([]byte("a"), 32769) }), validation},
		"the key of another":        {with(other, func(in *input) { in.PrivateKey = leaf.key }), validation},
		"no key in the key":         {with(other, func(in *input) { in.PrivateKey = []byte("hello") }), validation},
		"a certificate as the key":  {with(other, func(in *input) { in.PrivateKey = other.cert }), validation},
		"two keys":                  {with(other, func(in *input) { in.PrivateKey = append(bytes.Clone(other.key), other.key...) }), validation},
		"an encrypted key":          {with(other, func(in *input) { in.PrivateKey = block("ENCRYPTED PRIVATE KEY", []byte{1}) }), validation},
		"an encrypted key, old way": {with(other, func(in *input) { in.PrivateKey = encrypted }), validation},
		"a long key":                {with(other, func(in *input) { in.PrivateKey = bytes.Repeat([]byte("a"), 5121) }), validation},
		"a broken key":              {with(other, func(in *input) { in.PrivateKey = block("PRIVATE KEY", []byte{1, 2, 3}) }), validation},
		"Ed25519":                   {full(issue(t, nil, edKey(t), nil)), validation},
		"P-224":                     {full(issue(t, nil, ecKey(t, elliptic.P224()), nil)), validation},
		"RSA of 1,536 bits":         {full(issue(t, nil, rsaKey(t, 1536), nil)), validation},
		"expired":                   {full(self(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) })), validation},
		"not valid yet":             {full(self(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Minute) })), validation},
		"no name":                   {full(self(func(c *x509.Certificate) { c.Subject, c.DNSNames = pkix.Name{}, nil })), validation},
		"a chain of others":         {chained(other, root), validation},
		"a chain out of order":      {chained(leaf, root, middle), validation},
		"a chain with a gap":        {chained(leaf, root), validation},
		"itself in the chain":       {chained(leaf, leaf, middle, root), validation},
		"an expired parent":         {chained(issue(t, expiredRoot, ecKey(t, elliptic.P256()), nil), expiredRoot), validation},
		"a key in the chain":        {with(leaf, func(in *input) { in.CertificateChain = append(bytes.Clone(middle.cert), middle.key...) }), validation},
		"no PEM in the chain":       {with(leaf, func(in *input) { in.CertificateChain = []byte("hello") }), validation},
		"a chain of eleven":         {with(leaf, func(in *input) { in.CertificateChain = bytes.Repeat(middle.cert, 11) }), validation},
		"an empty ARN":              {with(other, func(in *input) { in.CertificateArn = aws.String("") }), validation},
		"no ARN":                    {with(other, func(in *input) { in.CertificateArn = aws.String("certificate") }), "InvalidArnException"},
		"an ARN of ECS":             {with(other, func(in *input) { in.CertificateArn = aws.String("arn:aws:ecs:eu-west-1:123456789012:cluster/c") }), "InvalidArnException"},
		"an unknown ARN":            {with(other, func(in *input) { in.CertificateArn = aws.String(imported + "0") }), "ResourceNotFoundException"},
		"of another region":         {with(other, func(in *input) { in.CertificateArn = aws.String(strings.Replace(imported, region, "us-east-1", 1)) }), "ResourceNotFoundException"},
		"one that was not imported": {with(other, func(in *input) { in.CertificateArn = made.CertificateArn }), validation},
		"tags on a new import":      {with(other, func(in *input) { in.CertificateArn = &imported; in.Tags = []types.Tag{tag("a")} }), validation},
		"a bad one anew":            {with(leaf, func(in *input) { in.CertificateArn = &imported; in.PrivateKey = other.key }), validation},
		"a tag of AWS":              {with(other, func(in *input) { in.Tags = []types.Tag{tag("aws:x")} }), "InvalidTagException"},
		"an empty tag":              {with(other, func(in *input) { in.Tags = []types.Tag{tag("")} }), "InvalidTagException"},
		"a long tag":                {with(other, func(in *input) { in.Tags = []types.Tag{tag(strings.Repeat("k", 129))} }), "InvalidTagException"},
		"a tag twice":               {with(other, func(in *input) { in.Tags = []types.Tag{tag("a"), tag("a")} }), "InvalidTagException"},
		"51 tags":                   {with(other, func(in *input) { in.Tags = manyTags(51) }), "TooManyTagsException"},
	} {
		before := w.store.View().Revision()
		_, err := w.ImportCertificate(t.Context(), &test.in)
		wantError(t, name, err, test.code)
		if now := w.store.View().Revision(); now != before {
			t.Errorf("%s: the store has changed", name)
		}
	}
}

func manyTags(n int) (list []types.Tag) {
	for i := range n {
		list = append(list, tag(fmt.Sprint("k", i)))
	}
	return list
}

var encrypted = []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")

// TestBadRequests sends everything else that is bad for one thing; nothing changes.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	imported := w.importing(issue(t, nil, ecKey(t, elliptic.P256()), nil))
	w.put(&model.Listener{ARN: "arn:listener/1", LoadBalancer: "arn:lb", Certificates: []string{"x", imported}})
	request := func(change func(*client.RequestCertificateInput)) func() error {
		in := &client.RequestCertificateInput{DomainName: aws.String("www.example.com"), KeyAlgorithm: types.KeyAlgorithmEcPrime256v1}
		change(in)
		return func() error { _, err := w.RequestCertificate(ctx, in); return err }
	}
	list := func(in client.ListCertificatesInput) func() error {
		return func() error { _, err := w.ListCertificates(ctx, &in); return err }
	}
	type input = client.RequestCertificateInput
	const validation = "ValidationException"
	for name, test := range map[string]struct {
		call func() error
		code string
	}{
		"no name":              {request(func(in *input) { in.DomainName = nil }), validation},
		"an empty name":        {request(func(in *input) { in.DomainName = aws.String("") }), validation},
		"one label":            {request(func(in *input) { in.DomainName = aws.String("localhost") }), validation},
		"an address":           {request(func(in *input) { in.DomainName = aws.String("192.0.2.10") }), validation},
		"a star inside":        {request(func(in *input) { in.DomainName = aws.String("a.*.example.com") }), validation},
		"a star in a label":    {request(func(in *input) { in.DomainName = aws.String("a*.example.com") }), validation},
		"a hyphen first":       {request(func(in *input) { in.DomainName = aws.String("-a.example.com") }), validation},
		"an underscore":        {request(func(in *input) { in.DomainName = aws.String("a_b.example.com") }), validation},
		"a long label":         {request(func(in *input) { in.DomainName = aws.String(strings.Repeat("a", 64) + ".example.com") }), validation},
		"a long name":          {request(func(in *input) { in.DomainName = aws.String(strings.Repeat("aaaaaaaa.", 27) + "com") }), ""},
		"a longer name":        {request(func(in *input) { in.DomainName = aws.String(strings.Repeat("aaaaaaaa.", 28) + "com.example") }), validation},
		"a newline":            {request(func(in *input) { in.DomainName = aws.String("a.example.com\n") }), validation},
		"a bad other name":     {request(func(in *input) { in.SubjectAlternativeNames = []string{"a b.example.com"} }), validation},
		"101 names":            {request(func(in *input) { in.SubjectAlternativeNames = manyNames(100) }), "LimitExceededException"},
		"RSA of 4,096 bits":    {request(func(in *input) { in.KeyAlgorithm = types.KeyAlgorithmRsa4096 }), validation},
		"no algorithm":         {request(func(in *input) { in.KeyAlgorithm = "DSA" }), validation},
		"no method":            {request(func(in *input) { in.ValidationMethod = "PIGEON" }), validation},
		"an authority":         {request(func(in *input) { in.CertificateAuthorityArn = aws.String("arn:aws:acm-pca:x") }), "InvalidArnException"},
		"managed":              {request(func(in *input) { in.ManagedBy = types.CertificateManagedByCloudfront }), "InvalidParameterException"},
		"to be exported":       {request(func(in *input) { in.Options = &types.CertificateOptions{Export: types.CertificateExportEnabled} }), "InvalidParameterException"},
		"a long token":         {request(func(in *input) { in.IdempotencyToken = aws.String(strings.Repeat("a", 33)) }), validation},
		"a token with a space": {request(func(in *input) { in.IdempotencyToken = aws.String("a b") }), validation},
		"a tag of AWS":         {request(func(in *input) { in.Tags = []types.Tag{tag("AWS:x")} }), "InvalidTagException"},

		"list 0":               {list(client.ListCertificatesInput{MaxItems: aws.Int32(0)}), validation},
		"list 1,001":           {list(client.ListCertificatesInput{MaxItems: aws.Int32(1001)}), validation},
		"a made-up token":      {list(client.ListCertificatesInput{NextToken: aws.String("?")}), "InvalidArgsException"},
		"a token of no ARN":    {list(client.ListCertificatesInput{NextToken: aws.String("aGVsbG8")}), "InvalidArgsException"},
		"a gone token, sorted": {list(client.ListCertificatesInput{NextToken: aws.String("YXJuOng"), SortBy: types.SortByCreatedAt, SortOrder: types.SortOrderAscending}), "InvalidArgsException"},
		"sorted by nothing":    {list(client.ListCertificatesInput{SortOrder: types.SortOrderAscending}), validation},
		"sorted by names":      {list(client.ListCertificatesInput{SortBy: "NAME", SortOrder: types.SortOrderAscending}), validation},
		"sorted sideways":      {list(client.ListCertificatesInput{SortBy: types.SortByCreatedAt, SortOrder: "SIDEWAYS"}), validation},
		"no status":            {list(client.ListCertificatesInput{CertificateStatuses: []types.CertificateStatus{"FINE"}}), validation},
		"no key type":          {list(client.ListCertificatesInput{Includes: &types.Filters{KeyTypes: []types.KeyAlgorithm{"DSA"}}}), validation},

		"delete what is in use": {func() error {
			_, err := w.DeleteCertificate(ctx, &client.DeleteCertificateInput{CertificateArn: &imported})
			return err
		}, "ResourceInUseException"},
		"delete nothing":   {func() error { _, err := w.DeleteCertificate(ctx, &client.DeleteCertificateInput{}); return err }, validation},
		"describe nothing": {func() error { _, err := w.DescribeCertificate(ctx, &client.DescribeCertificateInput{}); return err }, validation},
		"get by a name": {func() error {
			_, err := w.GetCertificate(ctx, &client.GetCertificateInput{CertificateArn: aws.String("www.example.com")})
			return err
		}, "InvalidArnException"},
		"tag nothing": {func() error {
			_, err := w.AddTagsToCertificate(ctx, &client.AddTagsToCertificateInput{CertificateArn: &imported})
			return err
		}, validation},
		"tag an unknown one": {func() error {
			_, err := w.AddTagsToCertificate(ctx, &client.AddTagsToCertificateInput{CertificateArn: aws.String(imported + "0"), Tags: manyTags(1)})
			return err
		}, "ResourceNotFoundException"},
		"51 tags": {func() error {
			_, err := w.AddTagsToCertificate(ctx, &client.AddTagsToCertificateInput{CertificateArn: &imported, Tags: manyTags(51)})
			return err
		}, "TooManyTagsException"},
		"untag nothing": {func() error {
			_, err := w.RemoveTagsFromCertificate(ctx, &client.RemoveTagsFromCertificateInput{CertificateArn: &imported})
			return err
		}, validation},
		"tags of an unknown one": {func() error {
			_, err := w.ListTagsForCertificate(ctx, &client.ListTagsForCertificateInput{CertificateArn: aws.String(imported + "0")})
			return err
		}, "ResourceNotFoundException"},
		"export": {func() error { _, err := w.ExportCertificate(ctx, &client.ExportCertificateInput{}); return err }, "UnsupportedFeatureException"},
	} {
		before := w.store.View().Revision()
		err := test.call()
		if test.code == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantError(t, name, err, test.code)
		if now := w.store.View().Revision(); now != before {
			t.Errorf("%s: the store has changed", name)
		}
	}
}

func manyNames(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("n%d.example.com", i))
	}
	return list
}

// TestLimit fills a region.
func TestLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range control.CertificatesMax {
		w.put(&model.Certificate{ARN: fmt.Sprintf("arn:aws:acm:%s:%s:certificate/%d", region, account, i), Region: region, Names: []string{"a"}})
	}
	p := issue(t, nil, ecKey(t, elliptic.P256()), nil)
	_, err := w.ImportCertificate(t.Context(), &client.ImportCertificateInput{Certificate: p.cert, PrivateKey: p.key})
	wantError(t, "one too many", err, "LimitExceededException")
}
