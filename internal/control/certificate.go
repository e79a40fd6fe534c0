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

// NewCertificate is what ImportCertificate asks for, all of it PEM.
type NewCertificate struct {
	ARN              string // of the one that is replaced; "" for a new one
	ID               string // of a new one; "" for any
	Type             string // of a new one: model.CertificateImported or model.CertificateRequested
	Body, Chain, Key []byte
	Tags             []model.Tag
}

// SealKey closes the private key (PEM) of a certificate (ARN).
type SealKey func(arn string, key []byte) ([]byte, error)

// CertificateID is the beginning of ARNs of certificates in a scope.
func CertificateID(s arn.Scope, id string) string {
	return "arn:aws:acm:" + s.Region + ":" + s.Account + ":certificate/" + id
}

// ImportCertificate stores a certificate with its key, which seal closes for the certificate's ARN; it answers the ARN. An
// imported one may be replaced under its ARN, and whoever uses it uses the new one then ("ImportCertificate").
func ImportCertificate(tx *store.Tx, call Call, in NewCertificate, seal SealKey) (string, error) {
	before, err := replaced(tx.View(), call, in)
	if err != nil {
		return "", err
	}
	parsed, err := certificate.Parse(in.Body, in.Key, in.Chain, call.Now)
	if err != nil {
		return "", err
	}
	if before == nil {
		before, err = newCertificate(tx.View(), call, in.ID)
		if err != nil {
			return "", err
		}
		before.Type, before.Tags, before.IssuedAt = in.Type, in.Tags, call.Now
	}
	put, err := shown(call, before, parsed, seal)
	if err != nil {
		return "", err
	}
	put.ImportedAt = call.Now
	tx.Put(put)
	return put.ARN, nil
}

// newCertificate is a certificate of which nothing is known yet; id "" is any.
func newCertificate(v *store.View, call Call, id string) (*model.Certificate, error) {
	if n := countCertificates(v, call.Region); n >= CertificatesMax {
		return nil, refused("LimitExceededException", "You have reached the maximum number of certificates: there are %d, and at most %d are allowed.", n, CertificatesMax)
	}
	if id == "" {
		id = call.IDs.UUID()
	}
	return &model.Certificate{ARN: CertificateID(call.Scope, id), Region: call.Region, CreatedAt: call.Now}, nil
}

// shown is a record with a certificate that clients are shown from now on.
func shown(call Call, before *model.Certificate, c *certificate.Certificate, seal SealKey) (*model.Certificate, error) {
	sealed, err := seal(before.ARN, c.Key)
	if err != nil {
		return nil, fmt.Errorf("seal the private key: %w", err)
	}
	put := *before
	put.Names, put.Chain, put.SealedKey, put.Algorithm = c.Names, c.Chain, sealed, c.Algorithm
	put.NotBefore, put.NotAfter = c.Leaf.NotBefore.UTC(), c.Leaf.NotAfter.UTC()
	put.Serial, put.Issuer = colons(c.Leaf.SerialNumber.Bytes()), issuer(c)
	put.Cause = call.Cause("a certificate for " + strings.Join(c.Names[:min(3, len(c.Names))], ", "))
	return &put, nil
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
	if c.Type != model.CertificateImported {
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
		if !c.Issued() && len(c.SealedKey) == 0 {
			continue
		}
		again := *c
		if again.SealedKey, err = reseal(c.ARN, c.SealedKey); err != nil {
			return 0, err
		}
		tx.Put(&again)
		n++
	}
	return n, nil
}
