package issuer_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/issuer"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const day = 24 * time.Hour

// TestSelfSignedIsRenewed follows a certificate for development for some years.
func TestSelfSignedIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		resource := w.self("a.test", "b.test")
		defer w.run(nil)()
		first := w.certificate(resource)
		time.Sleep(time.Until(first.NotAfter.Add(-61 * day)))
		synctest.Wait()
		if c := w.certificate(resource); c.Serial != first.Serial {
			t.Errorf("it is renewed 61 days before its end")
		}
		for range 3 {
			before := w.certificate(resource)
			time.Sleep(time.Until(before.NotAfter.Add(-60*day)) + time.Second)
			synctest.Wait()
			c := w.certificate(resource)
			if c.Serial == before.Serial || !c.NotAfter.After(before.NotAfter) || c.RenewedAt.IsZero() || !c.Issued() || bytes.Equal(c.SealedKey, before.SealedKey) {
				t.Errorf("it was not renewed: %+v", c)
			}
			if c.Names[0] != "a.test" || c.Names[1] != "b.test" || len(c.Names) != 2 || !c.Self() {
				t.Errorf("another certificate took its place: %v", c.Names)
			}
		}
	})
}

// TestProvenIsIssuedAndRenewed follows a certificate of an authority: it is renewed while it is used.
func TestProvenIsIssuedAndRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := &authority{}
		defer w.run(a)()
		resource := w.request("a.test")
		synctest.Wait()
		first := w.certificate(resource)
		if !first.Issued() || first.IssuedAt.IsZero() || len(first.Chain) == 0 || len(first.SealedKey) == 0 {
			t.Fatalf("it was not issued: %+v", first)
		}
		time.Sleep(100 * day)
		synctest.Wait()
		if n := a.ordered(); n != 1 {
			t.Errorf("a certificate that nobody uses was ordered %d times", n)
		}
		w.use(resource)
		synctest.Wait()
		if c := w.certificate(resource); c.Serial == first.Serial {
			t.Errorf("it has run out, is used, and was not renewed")
		}
		time.Sleep(61 * day)
		synctest.Wait()
		if n := a.ordered(); n != 3 {
			t.Errorf("it was ordered %d times, want 3: when a third of its time is left it is renewed", n)
		}
	})
}

// TestRefused tells what becomes of a certificate that is not issued.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		after  time.Duration
		status string
		orders int
		reason string
	}{
		{"for good", &issuer.RefusalError{Reason: "CAA_ERROR", Problem: "no", Final: true}, day, model.CertificateFailed, 1, "CAA_ERROR"},
		{"not yet", &issuer.RefusalError{Reason: "OTHER", Problem: "no"}, 25 * time.Minute, model.CertificatePending, 3, "OTHER"},
		{"by the network", errors.New("cannot reach it"), 30 * time.Minute, model.CertificatePending, 4, "OTHER"},
		{"until it is too late", &issuer.RefusalError{Reason: "OTHER", Problem: "no"}, 80 * time.Hour, model.CertificateTimedOut, 17, "OTHER"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := &authority{err: tt.err}
				defer w.run(a)()
				resource := w.request("a.test")
				time.Sleep(tt.after)
				synctest.Wait()
				c := w.certificate(resource)
				if c.Status != tt.status || c.Attempts.Reason != tt.reason || c.Attempts.Problem == "" || a.ordered() != tt.orders {
					t.Errorf("after %s: %q, %+v, %d orders; want %q, %d", tt.after, c.Status, c.Attempts, a.ordered(), tt.status, tt.orders)
				}
			})
		})
	}
}

// TestRenewalIsTriedAgain has what is there served on while its renewal fails.
func TestRenewalIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := &authority{}
		defer w.run(a)()
		resource := w.request("a.test")
		w.use(resource)
		synctest.Wait()
		first := w.certificate(resource)
		a.refuse(&issuer.RefusalError{Reason: "CAA_ERROR", Problem: "no", Final: true})
		time.Sleep(70 * day)
		synctest.Wait()
		c := w.certificate(resource)
		if !c.Issued() || c.Serial != first.Serial || c.Attempts.Failed < 10 || c.Attempts.NextAt.IsZero() {
			t.Errorf("while it cannot be renewed: %q, %+v", c.Status, c.Attempts)
		}
		a.refuse(nil)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if c = w.certificate(resource); c.Serial == first.Serial || c.Attempts.Failed != 0 {
			t.Errorf("it was not renewed when it could be: %+v", c.Attempts)
		}
	})
}

// TestNobodyIssues tells of a certificate whose server was started without an authority.
func TestNobodyIssues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.run(nil)()
		resource := w.request("a.test")
		synctest.Wait()
		if c := w.certificate(resource); c.Status != model.CertificatePending || c.Attempts.Failed != 1 {
			t.Errorf("got %q, %+v", c.Status, c.Attempts)
		}
	})
}

// TestDeletedMeanwhile has nothing come back that was deleted while it was being issued.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		resource := w.request("a.test")
		c := w.certificate(resource)
		w.update(func(tx *store.Tx) error { return control.DeleteCertificate(tx, w.call(), resource) })
		w.update(func(tx *store.Tx) error {
			if err := control.PresentChallenge(tx, resource, model.Challenge{Token: "t"}); err != nil {
				return err
			}
			return control.NoteRefusal(tx, w.call(), c, control.CertificateRefused{})
		})
		w.update(func(tx *store.Tx) error { return control.IssueCertificate(tx, w.call(), c, nil, nil, seal) })
		if _, ok := w.store.View().Certificate(resource); ok {
			t.Errorf("it is there again")
		}
	})
}

// TestTwoIssuers has one of two work, and the other one when that has ended.
func TestTwoIssuers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := &authority{}, &authority{}
		end := w.run(one)
		synctest.Wait()
		defer w.run(two)()
		w.request("a.test")
		synctest.Wait()
		end()
		w.request("b.test")
		synctest.Wait()
		if one.ordered() != 1 || two.ordered() != 1 {
			t.Errorf("they had %d and %d orders, want 1 and 1", one.ordered(), two.ordered())
		}
	})
}
