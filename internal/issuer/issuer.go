// Package issuer has the certificates issued that were requested, and renews them before they run out: those for
// development are signed by themselves, the others come from an ACME server (RFC 8555), to which their names are proven
// over HTTP, or over TLS where there is no listener of HTTP. One server of all does it, one certificate at a time.
//
// What a balancer has to answer for a proof is in the certificate's record while the proof is pending, so that every
// balancer answers, whichever the name leads to. A process that ends in the middle leaves nothing behind that matters: the
// next one begins the certificate anew.
package issuer

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// leader is the name under which issuers are elected.
const leader = "issuer"

const (
	// attemptTimeout bounds the dealings with an ACME server for one certificate.
	attemptTimeout = 5 * time.Minute
	// cleanTimeout bounds what is written after an attempt was cut short.
	cleanTimeout = 5 * time.Second
)

// Config is what an issuer is made of.
type Config struct {
	Store   *store.Store
	Account string // AWS account id
	IDs     arn.IDs
	Now     func() time.Time
	// Sealing calls do with what seals private keys; the key that it seals with is not changed until do has returned.
	Sealing func(do func(control.SealKey) error) error
	// Authority issues certificates whose names were proven; nil: there is none.
	Authority Authority
	Log       *slog.Logger
}

// Authority issues certificates.
type Authority interface {
	// Obtain gives a certificate (PEM, followed by those that vouch for it) for names and a key. In between it has proofs
	// presented. A *RefusalError tells why there is none.
	Obtain(ctx context.Context, names []string, key crypto.Signer, proofs Proofs) ([]byte, error)
}

// Proofs are answered by the balancers, from Present to Clear.
type Proofs interface {
	Present(ctx context.Context, c model.Challenge) error
	Clear(ctx context.Context, c model.Challenge) error
	// OverTLS says that balancers answer by TLS alone (RFC 8737): there are listeners, and none is of HTTP.
	OverTLS() bool
}

// RefusalError is an authority's answer that there is no certificate.
type RefusalError struct {
	Reason  string // ACM's word ("FailureReason")
	Problem string // in the authority's words
	Final   bool   // it would not issue it at another time either
}

// Error implements error.
func (r *RefusalError) Error() string { return r.Problem }

// Run issues and renews whenever this process is elected, until ctx ends.
func Run(ctx context.Context, c Config) error {
	return c.Store.Lead(ctx, leader, c.Log, func(ctx context.Context, lead *store.Leadership) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		over := make(chan struct{})
		defer close(over)
		go func() { // ends with the term
			select {
			case <-lead.Lost:
				cancel()
			case <-over:
			}
		}()
		return (&issuer{c, lead.Fence}).work(ctx)
	})
}

type issuer struct {
	Config
	fence store.Fence
}

// work does what is due, until ctx ends or the store refuses what came of it.
func (i *issuer) work(ctx context.Context) error {
	watcher := i.Store.Watch(model.KindCertificate, model.KindListener)
	defer watcher.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		_, _, view := watcher.Snapshot()
		c, at := next(view)
		if c != nil && !at.After(i.Now()) {
			if err := i.attempt(ctx, c); err != nil {
				return err
			}
			continue
		}
		timer.Reset(24 * time.Hour)
		if c != nil {
			timer.Reset(at.Sub(i.Now()))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-watcher.C():
		case <-timer.C:
		}
	}
}

// attempt has one certificate issued or renewed, or notes why it was not. The error is the store's.
func (i *issuer) attempt(ctx context.Context, c *model.Certificate) error {
	chain, key, err := i.obtain(ctx, c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = i.Sealing(func(seal control.SealKey) error {
			return i.update(ctx, func(tx *store.Tx) error { return control.IssueCertificate(tx, i.call(c), c, chain, key, seal) })
		})
	}
	if err == nil {
		i.Log.Info("a certificate was issued", "certificate", c.ARN, "names", c.Names)
		return nil
	}
	i.Log.Warn("a certificate was not issued", "certificate", c.ARN, "names", c.Names, "reason", err)
	return i.update(ctx, func(tx *store.Tx) error { return control.NoteRefusal(tx, i.call(c), c, refused(c, err)) })
}

func refused(c *model.Certificate, err error) control.CertificateRefused {
	why := control.CertificateRefused{Reason: "OTHER", Problem: err.Error(), Pause: pause(c.Attempts.Failed)}
	if r, ok := errors.AsType[*RefusalError](err); ok {
		why.Reason, why.Problem, why.Final = r.Reason, r.Problem, r.Final
	}
	return why
}

// obtain gives a new certificate and its key, both PEM.
func (i *issuer) obtain(ctx context.Context, c *model.Certificate) (chain, key []byte, err error) {
	if c.Self() {
		return certificate.SelfSigned(c.Algorithm, c.Names, i.Now())
	}
	if i.Authority == nil {
		return nil, nil, errors.New("no ACME server is configured any more: start the server with --acme-directory")
	}
	private, err := certificate.NewKey(c.Algorithm)
	if err != nil {
		return nil, nil, err
	}
	if key, err = certificate.EncodeKey(private); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	chain, err = i.Authority.Obtain(ctx, c.Names, private, &proofs{i, c.ARN})
	return chain, key, err
}

func (i *issuer) update(ctx context.Context, do func(*store.Tx) error) error {
	_, err := i.Store.Update(ctx, func(tx *store.Tx) error {
		tx.Fence(i.fence)
		return do(tx)
	})
	return err
}

func (i *issuer) call(c *model.Certificate) control.Call {
	return control.Call{Scope: arn.Scope{Region: c.Region, Account: i.Account}, Operation: "issuer", Now: i.Now().UTC(), IDs: i.IDs}
}

// proofs are those of a certificate.
type proofs struct {
	*issuer
	arn string
}

// OverTLS implements Proofs.
func (p *proofs) OverTLS() bool {
	over := false
	for l := range p.Store.View().Listeners("") {
		switch l.Protocol {
		case "HTTP":
			return false
		case "HTTPS", "TLS":
			over = true
		}
	}
	return over
}

// Present implements Proofs.
func (p *proofs) Present(ctx context.Context, c model.Challenge) error {
	return p.update(ctx, func(tx *store.Tx) error { return control.PresentChallenge(tx, p.arn, c) })
}

// Clear implements Proofs; it does so even when the attempt was cut short.
func (p *proofs) Clear(ctx context.Context, c model.Challenge) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	return p.update(ctx, func(tx *store.Tx) error { return control.ClearChallenge(tx, p.arn, c.Token) })
}
