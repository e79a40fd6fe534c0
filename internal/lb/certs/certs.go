// Package certs chooses the certificate that a listener of TLS shows to a client ("Server certificates", Certificate
// selection by SNI). Certificates come from the store with their keys sealed; each is opened and parsed once and kept until
// its record changes.
package certs

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/model"
)

// Cache keeps certificates as they are used. It may be used by any number of goroutines.
type Cache struct {
	open func(*model.Certificate) ([]byte, error)

	mu    sync.Mutex
	known map[string]*parsed          // by ARN
	arns  map[*tls.Certificate]string // of those in known
}

// parsed is a certificate ready for use, or why it is not.
type parsed struct {
	record *model.Certificate
	tls    *tls.Certificate
	names  []string
	err    error
}

// New makes a cache; open gives the private key of a certificate, in PEM.
func New(open func(*model.Certificate) ([]byte, error)) *Cache {
	return &Cache{open: open, known: map[string]*parsed{}, arns: map[*tls.Certificate]string{}}
}

// Err says why a certificate cannot be used, nil if it can. One that could not be opened is tried again here, so that a
// key that came later is found.
func (c *Cache) Err(record *model.Certificate) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.known[record.ARN]; p != nil && p.record == record && p.err != nil {
		c.drop(record.ARN)
	}
	return c.get(record).err
}

// Forget drops the certificates (by ARN) that keep does not want.
func (c *Cache) Forget(keep func(arn string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for arn := range c.known {
		if !keep(arn) {
			c.drop(arn)
		}
	}
}

// ARN names a certificate that was chosen, "" for one that is not used any more.
func (c *Cache) ARN(chosen *tls.Certificate) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arns[chosen]
}

// drop forgets one. The caller holds mu.
func (c *Cache) drop(arn string) {
	if p := c.known[arn]; p != nil {
		delete(c.arns, p.tls)
		delete(c.known, arn)
	}
}

// get gives the parsed form of a record. The caller holds mu.
func (c *Cache) get(record *model.Certificate) *parsed {
	p := c.known[record.ARN]
	if p == nil || p.record != record {
		c.drop(record.ARN)
		p = c.parse(record)
		c.known[record.ARN] = p
		if p.tls != nil {
			c.arns[p.tls] = record.ARN
		}
	}
	return p
}

func (c *Cache) parse(record *model.Certificate) *parsed {
	p := &parsed{record: record}
	key, err := c.open(record)
	if err != nil {
		p.err = fmt.Errorf("open the key of %s: %w", record.ARN, err)
		return p
	}
	pair, err := tls.X509KeyPair(record.Chain, key)
	if err != nil {
		p.err = fmt.Errorf("the certificate %s: %w", record.ARN, err)
		return p
	}
	p.tls, p.names = &pair, certificate.Names(pair.Leaf)
	return p
}

// errNone is what a client of a listener without a usable certificate gets.
var errNone = errors.New("the listener has no certificate that can be used")

// Chooser gives what chooses among the certificates of a listener, as tls.Config.GetCertificate. list gives them as they
// are now, the default one first; it is called for each handshake.
func (c *Cache) Chooser(list func() []*model.Certificate) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.choose(hello, list())
	}
}

func (c *Cache) choose(hello *tls.ClientHelloInfo, list []*model.Certificate) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first, best *parsed
	var top rank
	for _, record := range list {
		p := c.get(record)
		if p.err != nil {
			continue
		}
		if first == nil {
			first = p
		}
		if r, ok := rankOf(p, hello); ok && (best == nil || r.compare(top) > 0) {
			best, top = p, r
		}
	}
	switch {
	case best != nil:
		return best.tls, nil
	case first != nil: // no name fits, or none was given: the default one
		return first.tls, nil
	}
	return nil, errNone
}

// rank is how well a certificate suits a client, the most important things first.
type rank struct {
	supported bool // by the client
	exact     bool // rather than by a wildcard
	ecdsa     bool
	bits      int
	notAfter  int64
}

// rankOf says how well a certificate suits; it does not at all when it is not for the host that the client asks for.
func rankOf(p *parsed, hello *tls.ClientHelloInfo) (rank, bool) {
	found, exact := matching(p.names, hello.ServerName)
	if !found {
		return rank{}, false
	}
	r := rank{supported: hello.SupportsCertificate(p.tls) == nil, exact: exact, notAfter: p.tls.Leaf.NotAfter.Unix()}
	switch key := p.tls.Leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		r.ecdsa, r.bits = true, key.Curve.Params().BitSize
	case *rsa.PublicKey:
		r.bits = key.N.BitLen()
	}
	return r, true
}

func (r rank) compare(other rank) int {
	flag := func(a, b bool) int {
		switch {
		case a == b:
			return 0
		case a:
			return 1
		}
		return -1
	}
	return cmp.Or(flag(r.supported, other.supported), flag(r.exact, other.exact), flag(r.ecdsa, other.ecdsa),
		cmp.Compare(r.bits, other.bits), cmp.Compare(r.notAfter, other.notAfter))
}

// matching says whether one of the names is for a host, and whether one is the very host. The names are in lower case.
func matching(names []string, host string) (found, exact bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" {
		return false, false
	}
	_, parent, _ := strings.Cut(host, ".")
	for _, n := range names {
		if n == host {
			return true, true
		}
		// A star stands for one label, the first one.
		if rest, ok := strings.CutPrefix(n, "*."); ok && rest == parent && parent != "" && host[0] != '.' {
			found = true
		}
	}
	return found, false
}
