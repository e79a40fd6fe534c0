package control

import (
	"bytes"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// CertificateRequest asks for a certificate whose names are proven to an ACME server.
type CertificateRequest struct {
	ID        string // "" for any
	Names     []string
	Algorithm string // of the key
	Tags      []model.Tag
}

// RequestCertificate notes that a certificate is wanted, and answers its ARN ("RequestCertificate"). It is issued later.
func RequestCertificate(tx *store.Tx, call Call, in CertificateRequest) (string, error) {
	if err := checkCertificateTags(in.Tags); err != nil {
		return "", err
	}
	put, err := newCertificate(tx.View(), call, in.ID)
	if err != nil {
		return "", err
	}
	put.Type, put.ACME, put.Status = model.CertificateRequested, true, model.CertificatePending
	put.Names, put.Algorithm, put.Tags = in.Names, in.Algorithm, in.Tags
	put.Cause = call.Cause("a certificate for " + strings.Join(in.Names[:min(3, len(in.Names))], ", "))
	tx.Put(put)
	return put.ARN, nil
}

// IssueCertificate puts what was issued (chain and key are PEM, the chain begins with the certificate) in the place of
// what there was. A certificate that was deleted meanwhile, or issued by somebody else, stays as it is.
func IssueCertificate(tx *store.Tx, call Call, before *model.Certificate, chain, key []byte, seal SealKey) error {
	now, ok := tx.View().Certificate(before.ARN)
	if !ok || now.Status != before.Status || now.Serial != before.Serial {
		return nil
	}
	_, parents := pem.Decode(chain)
	parsed, err := certificate.Parse(bytes.TrimSuffix(chain, parents), key, parents, call.Now)
	if err != nil {
		return err
	}
	put, err := shown(call, now, parsed, seal)
	if err != nil {
		return err
	}
	put.Names = now.Names // in the order in which they were requested
	if now.Status != model.CertificateIssued {
		put.IssuedAt = call.Now
	} else {
		put.RenewedAt = call.Now
	}
	put.Status, put.Challenges, put.Attempts = model.CertificateIssued, nil, model.CertificateAttempts{}
	tx.Put(put)
	return nil
}

// PresentChallenge has balancers answer a challenge for a certificate, ClearChallenge ends that.
func PresentChallenge(tx *store.Tx, resource string, c model.Challenge) error {
	return changeChallenges(tx, resource, func(list []model.Challenge) []model.Challenge { return append(list, c) })
}

// ClearChallenge is the end of PresentChallenge.
func ClearChallenge(tx *store.Tx, resource, token string) error {
	return changeChallenges(tx, resource, func(list []model.Challenge) []model.Challenge {
		return slices.DeleteFunc(list, func(c model.Challenge) bool { return c.Token == token })
	})
}

func changeChallenges(tx *store.Tx, resource string, change func([]model.Challenge) []model.Challenge) error {
	c, ok := tx.View().Certificate(resource)
	if !ok {
		return nil // there is nothing to prove any more
	}
	put := *c
	put.Challenges = change(slices.Clone(c.Challenges))
	tx.Put(&put)
	return nil
}

// validationTime is how long ACM waits until names are proven ("CertificateDetail", VALIDATION_TIMED_OUT).
const validationTime = 72 * time.Hour

// CertificateRefused says why an attempt to have a certificate issued has failed.
type CertificateRefused struct {
	Reason  string // ACM's word ("FailureReason")
	Problem string
	Final   bool // another attempt would fail as well
	Pause   time.Duration
}

// NoteRefusal notes that an attempt has failed. One that was never issued may fail for good; the others are served on, and
// tried again.
func NoteRefusal(tx *store.Tx, call Call, before *model.Certificate, why CertificateRefused) error {
	c, ok := tx.View().Certificate(before.ARN)
	if !ok || c.Status != before.Status || c.Serial != before.Serial {
		return nil
	}
	put := *c
	put.Challenges = nil
	put.Attempts = model.CertificateAttempts{
		Failed: c.Attempts.Failed + 1, Reason: why.Reason, Problem: why.Problem, LastAt: call.Now, NextAt: call.Now.Add(why.Pause),
	}
	late := !put.Attempts.NextAt.Before(c.CreatedAt.Add(validationTime))
	switch {
	case c.Status != model.CertificatePending:
	case why.Final:
		put.Status, put.Attempts.NextAt = model.CertificateFailed, time.Time{}
	case late:
		put.Status, put.Attempts.NextAt = model.CertificateTimedOut, time.Time{}
	}
	put.Cause = call.Cause("the certificate was not issued: " + why.Problem)
	tx.Put(&put)
	return nil
}
