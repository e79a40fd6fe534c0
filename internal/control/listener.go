package control

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// CreateListener makes a listener of a load balancer (given by ARN). One at the same port with the same settings is given
// back as it is ("CreateListener").
func CreateListener(tx *store.Tx, call Call, balancer string, l model.Listener) (*model.Listener, error) {
	b, err := FindLoadBalancer(tx.View(), call, balancer)
	if err != nil {
		return nil, err
	}
	l.LoadBalancer, l.Region, l.CreatedAt = b.ARN, call.Region, call.Now
	if err := checkListener(tx, call, b, &l); err != nil {
		return nil, err
	}
	n := 0
	for old := range tx.View().Listeners(b.ARN) {
		if n++; old.Port == l.Port && sameListener(old, &l) {
			return old, nil
		}
	}
	if err := portFree(tx, b, &l); err != nil {
		return nil, err
	}
	if n >= ListenersMax {
		return nil, refused("TooManyListeners", "The load balancer '%s' has %d listeners already; at most %d are allowed", b.ARN, n, ListenersMax)
	}
	l.ARN = arn.Listener(b.ARN, call.IDs.Balancing())
	l.Cause = call.Cause(fmt.Sprintf("%s listener of %s is made at %s port %d", l.Protocol, b.Name, b.Address, l.Port))
	tx.Put(&l)
	return &l, nil
}

// sameListener says whether a listener is what another one asks to be.
func sameListener(old, l *model.Listener) bool {
	return old.Protocol == l.Protocol && old.SSLPolicy == l.SSLPolicy && slices.Equal(old.ALPN, l.ALPN) && reflect.DeepEqual(old.Actions, l.Actions) &&
		sameTags(old.Tags, l.Tags) && (len(l.Certificates) == 0 || len(old.Certificates) > 0 && old.Certificates[0] == l.Certificates[0])
}

// ModifyListener changes a listener (given by ARN) as edit says, which may be called more than once ("ModifyListener").
func ModifyListener(tx *store.Tx, call Call, id string, edit func(*model.Listener) error) (*model.Listener, error) {
	return changeListener(tx, call, id, "is changed", func(b *model.LoadBalancer, l *model.Listener) error {
		if err := edit(l); err != nil {
			return err
		}
		if err := checkListener(tx, call, b, l); err != nil {
			return err
		}
		known := model.ListenerAttributes(l.Protocol)
		l.Attributes = maps.Clone(l.Attributes)
		maps.DeleteFunc(l.Attributes, func(key, _ string) bool { _, ok := known[key]; return !ok })
		for r := range tx.View().Rules(l.ARN) {
			if err := checkActions(tx, call, b, l.Protocol, r.Actions); err != nil {
				return err
			}
		}
		return portFree(tx, b, l)
	})
}

// changeListener changes a listener (given by ARN). The transaction depends on its load balancer.
func changeListener(tx *store.Tx, call Call, id, what string, edit func(*model.LoadBalancer, *model.Listener) error) (*model.Listener, error) {
	old, b, err := FindListener(tx.View(), call, id)
	if err != nil {
		return nil, err
	}
	l := *old
	if err := edit(b, &l); err != nil {
		return nil, err
	}
	tx.Guard(b.Key())
	l.Cause = call.Cause(fmt.Sprintf("%s listener of %s at port %d %s", l.Protocol, b.Name, l.Port, what))
	tx.Put(&l)
	return &l, nil
}

// listenerProtocols are those of the listeners of a type of load balancers.
func listenerProtocols(kind string) []string {
	if kind == model.NetworkLB {
		return []string{"TCP", "TLS", "UDP", "TCP_UDP"}
	}
	return []string{"HTTP", "HTTPS"}
}

// checkListener checks a listener and completes what its protocol needs.
func checkListener(tx *store.Tx, call Call, b *model.LoadBalancer, l *model.Listener) error {
	if allowed := listenerProtocols(b.Type); !slices.Contains(allowed, l.Protocol) {
		return invalid("Listener protocol '%s' must be one of '%s'", l.Protocol, strings.Join(allowed, ", "))
	}
	if l.Protocol != "TLS" && len(l.ALPN) > 0 {
		return misconfigured("ALPN policies are supported on TLS listeners only")
	}
	if err := checkSecurity(tx, call, l); err != nil {
		return err
	}
	tx.Guard(b.Key())
	return checkActions(tx, call, b, l.Protocol, l.Actions)
}

// checkSecurity wants a certificate and a policy where TLS is spoken, and none elsewhere.
func checkSecurity(tx *store.Tx, call Call, l *model.Listener) error {
	if l.Protocol != "HTTPS" && l.Protocol != "TLS" {
		switch {
		case len(l.Certificates) > 0:
			return invalid("Certificates cannot be specified for '%s' listeners", l.Protocol)
		case l.SSLPolicy != "":
			return invalid("A security policy cannot be specified for '%s' listeners", l.Protocol)
		}
		return nil
	}
	if len(l.Certificates) == 0 {
		return invalid("A certificate must be specified for '%s' listeners", l.Protocol)
	}
	for _, id := range l.Certificates {
		if err := guardCertificate(tx, call, id); err != nil {
			return err
		}
	}
	if l.SSLPolicy == "" {
		l.SSLPolicy = model.DefaultSSLPolicy
	}
	if _, ok := model.SSLPolicyByName(l.SSLPolicy); !ok {
		return refused("SSLPolicyNotFound", "SSL policy '%.100s' not found", l.SSLPolicy)
	}
	return nil
}

// guardCertificate looks for a certificate; the transaction depends on it.
func guardCertificate(tx *store.Tx, call Call, id string) error {
	c, ok := tx.View().Certificate(id)
	if !ok || c.Region != call.Region {
		return refused("CertificateNotFound", "Certificate '%.300s' not found", id)
	}
	if !c.Issued() {
		return refused("UnsupportedCertificate", "The certificate '%.300s' must have a fully-qualified domain name, a supported signature, and a supported key size: it is not issued (%s)", id, c.Status)
	}
	tx.Guard(c.Key())
	return nil
}

// portFree wants a port for a listener alone: on its load balancer, and at its address. Whoever takes it meanwhile is the
// first.
func portFree(tx *store.Tx, b *model.LoadBalancer, l *model.Listener) error {
	for old := range tx.View().Listeners(b.ARN) {
		if old.Port == l.Port && old.ARN != l.ARN {
			return refused("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", b.ARN)
		}
	}
	tx.GuardPrefix(model.KindListener, "")
	tx.GuardPrefix(model.KindLoadBalancer, "")
	return checkPort(tx.View(), b, l)
}

// DeleteListener deletes a listener (given by ARN) with its rules ("DeleteListener").
func DeleteListener(tx *store.Tx, call Call, id string) error {
	l, _, err := FindListener(tx.View(), call, id)
	if err != nil {
		return err
	}
	tx.GuardPrefix(model.KindRule, l.ARN+"/")
	for r := range tx.View().Rules(l.ARN) {
		tx.Delete(r.Key())
	}
	tx.Delete(l.Key())
	return nil
}

// SetListenerAttributes changes attributes of a listener ("ModifyListenerAttributes").
func SetListenerAttributes(tx *store.Tx, call Call, id string, set []model.KeyValue) (*model.Listener, error) {
	return changeListener(tx, call, id, "gets other attributes", func(_ *model.LoadBalancer, l *model.Listener) (err error) {
		kind := attributeKind{
			of: "Listener", on: "listeners with the protocol " + l.Protocol, known: model.ListenerAttributes(l.Protocol),
			elsewhere: []map[string]string{model.ListenerAttributes("HTTPS"), model.ListenerAttributes("TCP")},
		}
		if l.Attributes, err = kind.set(l.Attributes, set); err != nil {
			return err
		}
		if v := l.Attribute(model.AttributeTLSVersionName); v != "" && strings.EqualFold(v, l.Attribute(model.AttributeTLSCipherName)) {
			return invalid("Listener attributes '%s' and '%s' have the same name '%s'", model.AttributeTLSVersionName, model.AttributeTLSCipherName, v)
		}
		return nil
	})
}

// AddCertificates adds certificates to those that a secure listener chooses from ("AddListenerCertificates").
func AddCertificates(tx *store.Tx, call Call, id string, add []string) (*model.Listener, error) {
	return changeListener(tx, call, id, "gets more certificates", func(b *model.LoadBalancer, l *model.Listener) error {
		if len(l.Certificates) == 0 {
			return misconfigured("Certificates cannot be added to '%s' listeners", l.Protocol)
		}
		l.Certificates = slices.Clone(l.Certificates)
		for _, c := range add {
			if err := guardCertificate(tx, call, c); err != nil {
				return err
			}
			if !slices.Contains(l.Certificates, c) {
				l.Certificates = append(l.Certificates, c)
			}
		}
		n := len(l.Certificates) - 1
		for other := range tx.View().Listeners(b.ARN) {
			if other.ARN != l.ARN {
				n += max(0, len(other.Certificates)-1)
			}
		}
		if n > BalancerCertsMax {
			return refused("TooManyCertificates", "The load balancer '%s' would have %d certificates; at most %d are allowed", b.ARN, n, BalancerCertsMax)
		}
		tx.GuardPrefix(model.KindListener, b.ARN+"/")
		return nil
	})
}

// RemoveCertificates takes certificates from a secure listener; the default one is replaced by ModifyListener only
// ("RemoveListenerCertificates").
func RemoveCertificates(tx *store.Tx, call Call, id string, remove []string) (*model.Listener, error) {
	return changeListener(tx, call, id, "gets fewer certificates", func(_ *model.LoadBalancer, l *model.Listener) error {
		if len(l.Certificates) > 0 && slices.Contains(remove, l.Certificates[0]) {
			return refused("OperationNotPermitted", "The default certificate '%s' of the listener cannot be removed", l.Certificates[0])
		}
		l.Certificates = slices.DeleteFunc(slices.Clone(l.Certificates), func(c string) bool { return slices.Contains(remove, c) })
		return nil
	})
}
