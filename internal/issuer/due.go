package issuer

import (
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// renewBefore is how long before its end ACM begins to renew a certificate ("Managed certificate renewal"). One that is
// valid for less than three times that is renewed when a third of its time is left.
const (
	renewBefore = 60 * 24 * time.Hour
	thirds      = 3
)

// due says when there is something to do for a certificate; false: nothing ever.
func due(v *store.View, c *model.Certificate) (time.Time, bool) {
	switch {
	case c.Type != model.CertificateRequested || c.Status == model.CertificateFailed || c.Status == model.CertificateTimedOut:
		return time.Time{}, false
	case !c.Attempts.NextAt.IsZero():
		return c.Attempts.NextAt, true
	case c.Status == model.CertificatePending:
		return c.CreatedAt, true
	case c.ACME && len(control.CertificateUsers(v, c.ARN)) == 0: // as ACM does
		return time.Time{}, false
	}
	return c.NotAfter.Add(-min(renewBefore, c.NotAfter.Sub(c.NotBefore)/thirds)), true
}

// next finds the certificate for which there is something to do first, nil for none, and when.
func next(v *store.View) (first *model.Certificate, at time.Time) {
	for c := range v.Certificates() {
		if t, ok := due(v, c); ok && (first == nil || t.Before(at)) {
			first, at = c, t
		}
	}
	return first, at
}

// pause is the time until the next attempt when some have failed. ACME servers count failures: Let's Encrypt takes five an
// hour for a name.
func pause(failed int) time.Duration {
	pauses := []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}
	return pauses[min(failed, len(pauses)-1)]
}
