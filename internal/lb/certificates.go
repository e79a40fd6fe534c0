package lb

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// errNoCertificate is what a client of a listener without a certificate gets.
var errNoCertificate = errors.New("the listener has no certificate")

// certificate chooses the certificate of a connection by the listener as it is then.
func (b *Balancer) certificate(arn string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		l := b.Table().Listeners[arn]
		if l == nil || b.config.Certificates == nil {
			return nil, errNoCertificate
		}
		return b.config.Certificates.Chooser(func() []*model.Certificate {
			return certificates(b.config.Store.View(), l.Record)
		})(hello)
	}
}

// certificates are those of a listener that exist, the default one first.
func certificates(view *store.View, l *model.Listener) []*model.Certificate {
	var list []*model.Certificate
	for _, arn := range l.Certificates {
		if c, ok := view.Certificate(arn); ok {
			list = append(list, c)
		}
	}
	return list
}

// certify finds the listeners of TLS that have no certificate that can be used. Their ports stay open: what is missing may
// be there at the next handshake.
func (l *loop) certify() {
	was := l.unfit
	l.unfit = map[string]string{}
	for arn, x := range l.Table().Listeners {
		if x.Record.Protocol != "HTTPS" && x.Record.Protocol != "TLS" {
			continue
		}
		if err := l.usable(x.Record); err != nil {
			l.unfit[arn] = err.Error()
			if was[arn] != l.unfit[arn] {
				l.config.Log.Error("a listener has no certificate that can be used", "listener", arn, "error", err)
			}
		}
	}
	if l.config.Certificates != nil {
		l.config.Certificates.Forget(func(arn string) bool {
			_, ok := l.view.Certificate(arn)
			return ok
		})
	}
}

// usable says why none of the certificates of a listener can be used, nil if one can.
func (l *loop) usable(listener *model.Listener) error {
	list := certificates(l.view, listener)
	if len(list) == 0 || l.config.Certificates == nil {
		return errNoCertificate
	}
	var errs []error
	for _, c := range list {
		err := l.config.Certificates.Err(c)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("no certificate can be used: %w", errors.Join(errs...))
}
