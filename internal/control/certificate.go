package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// CertificatesMax is how many certificates a region may have, as at AWS ("Quotas", ACM).
const CertificatesMax = 2500

// The types of certificates ("CertificateDetail").
const (
	CertificateImported = "IMPORTED"
	CertificateIssued   = "AMAZON_ISSUED"
)

// NewCertificate is what ImportCertificate asks for, all of it PEM.
type NewCertificate struct {
	ARN              string // of the one that is replaced; "" for a new one
	ID               string // of a new one; "" for any
	Type             string // CertificateImported or CertificateIssued
	Body, Chain, Key []byte
	Tags             []model.Tag
}

// CertificateID is the beginning of ARNs of certificates in a scope.
func CertificateID(s arn.Scope, id string) string {
	return "arn:aws:acm:" + s.Region + ":" + s.Account + ":certificate/" + id
}

// ImportCertificate stores a certificate with its key, which seal closes for the certificate's ARN; it answers the ARN. An
// imported one may be replaced under its ARN, and whoever uses it uses the new one then ("ImportCertificate").
func ImportCertificate(tx *store.Tx, call Call, in NewCertificate, seal func(arn string, key []byte) ([]byte, error)) (string, error) {
	before, err := replaced(tx.View(), call, in)
	if err != nil {
		return "", err
	}
	parsed, err := certificate.Parse(in.Body, in.Key, in.Chain, call.Now)
	if err != nil {
		return "", err
	}
	if before == nil {
		if n := countCertificates(tx.View(), call.Region); n >= CertificatesMax {
			return "", refused("LimitExceededException", "You have reached the maximum number of certificates: there are %d, and at most %d are allowed.", n, CertificatesMax)
		}
		id := in.ID
		if id == "" {
			id = call.IDs.UUID()
		}
		before = &model.Certificate{ARN: CertificateID(call.Scope, id), Region: call.Region, Type: in.Type, Tags: in.Tags, CreatedAt: call.Now}
	}
	sealed, err := seal(before.ARN, parsed.Key)
	if err != nil {
		return "", fmt.Errorf("seal the private key: %w", err)
	}
	put := *before
	put.Names, put.Chain, put.SealedKey, put.Algorithm = parsed.Names, parsed.Chain, sealed, parsed.Algorithm
	put.NotBefore, put.NotAfter = parsed.Leaf.NotBefore.UTC(), parsed.Leaf.NotAfter.UTC()
	put.Serial, put.Issuer = colons(parsed.Leaf.SerialNumber.Bytes()), issuer(parsed)
	put.ImportedAt, put.Cause = call.Now, call.Cause("a certificate for "+strings.Join(parsed.Names[:min(3, len(parsed.Names))], ", "))
	tx.Put(&put)
	return put.ARN, nil
}

// issuer is the name of who signed, as ACM tells it: the organisation, or else the common name.
func issuer(c *certificate.Certificate) string {
	if len(c.Leaf.Issuer.Organization) > 0 {
		return c.Leaf.Issuer.Organization[0]
	}
	return c.Leaf.Issuer.CommonName
}

func colons(b []byte) string {
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = fmt.Sprintf("%02x", x)
	}
	return strings.Join(parts, ":")
}

func replaced(v *store.View, call Call, in NewCertificate) (*model.Certificate, error) {
	if in.ARN == "" {
		return nil, checkCertificateTags(in.Tags)
	}
	c, err := FindCertificate(v, call, in.ARN)
	if err != nil {
		return nil, err
	}
	if c.Type != CertificateImported {
		return nil, refused("ValidationException", "The certificate %s was not imported: only an imported certificate can be imported again.", in.ARN)
	}
	if len(in.Tags) > 0 {
		return nil, refused("ValidationException", "Tagging is not permitted on re-import.")
	}
	return c, nil
}

func countCertificates(v *store.View, region string) (n int) {
	for c := range v.Certificates() {
		if c.Region == region {
			n++
		}
	}
	return n
}

// FindCertificate finds a certificate of the call's region by ARN.
func FindCertificate(v *store.View, call Call, resource string) (*model.Certificate, error) {
	if resource == "" {
		return nil, refused("ValidationException", "1 validation error detected: Value null at 'certificateArn' failed to satisfy constraint: Member must not be null")
	}
	a, ok := arn.Parse(resource)
	if !ok || a.Service != "acm" || a.Type != "certificate" || a.Partition != "aws" {
		return nil, refused("InvalidArnException", "Arn %.200q is not the ARN of a certificate: those begin with %s.", resource, CertificateID(call.Scope, ""))
	}
	c, ok := v.Certificate(resource)
	if !ok || c.Region != call.Region {
		return nil, refused("ResourceNotFoundException", "Could not find certificate %s.", resource)
	}
	return c, nil
}

// CertificateUsers lists the load balancers (ARNs) with a listener that has a certificate.
func CertificateUsers(v *store.View, resource string) []string {
	var users []string
	for l := range v.Listeners("") {
		if slices.Contains(l.Certificates, resource) && !slices.Contains(users, l.LoadBalancer) {
			users = append(users, l.LoadBalancer)
		}
	}
	return users
}

// DeleteCertificate deletes a certificate that no listener has ("DeleteCertificate").
func DeleteCertificate(tx *store.Tx, call Call, resource string) error {
	c, err := FindCertificate(tx.View(), call, resource)
	if err != nil {
		return err
	}
	if users := CertificateUsers(tx.View(), resource); len(users) > 0 {
		return refused("ResourceInUseException", "Certificate %s is in use by %s.", resource, strings.Join(users[:min(3, len(users))], ", "))
	}
	tx.Delete(c.Key())
	return nil
}

// TagCertificate adds tags to a certificate ("AddTagsToCertificate").
func TagCertificate(tx *store.Tx, call Call, resource string, add []model.Tag) error {
	c, err := FindCertificate(tx.View(), call, resource)
	if err != nil {
		return err
	}
	merged := mergeTags(c.Tags, add)
	if err := checkCertificateTags(merged); err != nil {
		return err
	}
	changed := *c
	changed.Tags = merged
	tx.Put(&changed)
	return nil
}

// UntagCertificate removes tags from a certificate: those with a key, or with a key and a value where one is given
// ("RemoveTagsFromCertificate").
func UntagCertificate(tx *store.Tx, call Call, resource string, matches func(model.Tag) bool) error {
	c, err := FindCertificate(tx.View(), call, resource)
	if err != nil {
		return err
	}
	changed := *c
	changed.Tags = slices.DeleteFunc(slices.Clone(c.Tags), matches)
	tx.Put(&changed)
	return nil
}

func checkCertificateTags(tags []model.Tag) error {
	if len(tags) > TagsMax {
		return refused("TooManyTagsException", "The certificate would have %d tags; at most %d are allowed.", len(tags), TagsMax)
	}
	for i, t := range tags {
		switch {
		case t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256:
			return refused("InvalidTagException", "The tag %.130q: a key has 1 to 128 characters, a value at most 256.", t.Key)
		case ReservedTag(t.Key):
			return refused("InvalidTagException", "The tag %.130q: aws: is reserved for AWS.", t.Key)
		case slices.ContainsFunc(tags[:i], func(other model.Tag) bool { return other.Key == t.Key }):
			return refused("InvalidTagException", "The tag %.130q is given twice.", t.Key)
		}
	}
	return nil
}

// ResealCertificates puts each certificate back with its key as reseal gives it: the same key, sealed anew. It tells how
// many there are.
func ResealCertificates(tx *store.Tx, reseal func(arn string, sealed []byte) ([]byte, error)) (n int, err error) {
	for c := range tx.View().Certificates() {
		again := *c
		if again.SealedKey, err = reseal(c.ARN, c.SealedKey); err != nil {
			return 0, err
		}
		tx.Put(&again)
		n++
	}
	return n, nil
}
