// Package certificate reads server certificates as they are imported: a certificate, its chain and its private key, in PEM.
// What is wrong with them is told in the words of ACM ("Prerequisites for importing ACM certificates").
package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// The bounds of what is imported, in bytes ("ImportCertificate").
const (
	BodyMax  = 32768
	KeyMax   = 5120
	ChainMax = 2097152
	// chainLength is how many certificates a chain may have.
	chainLength = 10
)

// Certificate is a certificate that may be imported.
type Certificate struct {
	Leaf      *x509.Certificate
	Names     []string // the first is the domain name
	Algorithm string   // of the key, as ACM names it
	Chain     []byte   // PEM: the certificate and those that vouch for it, and nothing else
	Key       []byte   // PEM: the private key, and nothing else
}

// Parse reads a certificate, its key and its chain (which may be empty), all PEM, and checks that they belong together and
// hold at a time. Errors are refusals with ACM's codes; none has anything of the key in it.
func Parse(body, key, chain []byte, now time.Time) (*Certificate, error) {
	leaf, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	algorithm := Algorithm(leaf.PublicKey)
	if algorithm == "" {
		return nil, invalid("The certificate's key algorithm or size is not supported: it should be one of %s.", strings.Join(Algorithms(), ", "))
	}
	private, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	if _, err := tls.X509KeyPair(encode(leaf), private); err != nil {
		return nil, invalid("The private key does not match the certificate.")
	}
	parents, err := parseChain(leaf, chain)
	if err != nil {
		return nil, err
	}
	if err := checkTime(now, append([]*x509.Certificate{leaf}, parents...)); err != nil {
		return nil, err
	}
	names := Names(leaf)
	if len(names) == 0 {
		return nil, invalid("The certificate has neither a common name nor a subject alternative name that is a domain name.")
	}
	return &Certificate{leaf, names, algorithm, encode(append([]*x509.Certificate{leaf}, parents...)...), private}, nil
}

func invalid(format string, args ...any) *model.Error {
	return &model.Error{Code: "ValidationException", Message: fmt.Sprintf(format, args...)}
}

func encode(list ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range list {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer has no errors
	}
	return b.Bytes()
}

func parseBody(text []byte) (*x509.Certificate, error) {
	if len(text) > BodyMax {
		return nil, invalid("Value at 'certificate' failed to satisfy constraint: Member must have length less than or equal to %d.", BodyMax)
	}
	list, err := certificates(text)
	switch {
	case err != nil || len(list) == 0:
		return nil, invalid("Unable to parse certificate. Please ensure the certificate is in PEM format.")
	case len(list) > 1:
		return nil, invalid("The certificate field contains more than one certificate. You can specify only one certificate in this field.")
	}
	return list[0], nil
}

// certificates reads blocks of PEM, and refuses everything else.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			if len(bytes.TrimSpace(rest)) > 0 {
				return nil, fmt.Errorf("there is more than blocks of PEM")
			}
			return list, nil
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("there is a block %.40q", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list, text = append(list, c), rest
	}
}

// parseKey gives the key alone, as PEM; that it can be used is found when it is matched.
func parseKey(text []byte) ([]byte, error) {
	if len(text) > KeyMax {
		return nil, invalid("Value at 'privateKey' failed to satisfy constraint: Member must have length less than or equal to %d.", KeyMax)
	}
	var found *pem.Block
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type == "EC PARAMETERS" { // openssl writes the curve before the key
			continue
		}
		if found != nil {
			return nil, invalid("The private key field contains more than one key.")
		}
		found = block
	}
	switch {
	case found == nil:
		return nil, invalid("Unable to parse private key. Please ensure the private key is in PEM format.")
	case found.Type == "ENCRYPTED PRIVATE KEY" || found.Headers["DEK-Info"] != "":
		return nil, invalid("The private key is encrypted. Only keys without a passphrase can be imported.")
	case !slices.Contains([]string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}, found.Type):
		return nil, invalid("The private key is not supported: its block should be PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY.")
	}
	return pem.EncodeToMemory(found), nil
}

// parseChain reads the certificates that vouch for the leaf, in their order: each is signed by the next one.
func parseChain(leaf *x509.Certificate, text []byte) ([]*x509.Certificate, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	if len(text) > ChainMax {
		return nil, invalid("Value at 'certificateChain' failed to satisfy constraint: Member must have length less than or equal to %d.", ChainMax)
	}
	list, err := certificates(text)
	if err != nil || len(list) == 0 {
		return nil, invalid("Unable to parse certificate chain. Please ensure the certificate chain is in PEM format.")
	}
	if len(list) > chainLength {
		return nil, invalid("The certificate chain has %d certificates; at most %d are allowed.", len(list), chainLength)
	}
	child := leaf
	for _, parent := range list {
		if parent.Equal(leaf) || child.CheckSignatureFrom(parent) != nil {
			return nil, invalid("Could not validate the certificate with the certificate chain.")
		}
		child = parent
	}
	return list, nil
}

func checkTime(now time.Time, list []*x509.Certificate) error {
	for _, c := range list {
		if now.Before(c.NotBefore) {
			return invalid("The certificate %.100q is not valid before %s.", c.Subject.String(), c.NotBefore.UTC().Format(time.RFC3339))
		}
		if now.After(c.NotAfter) {
			return invalid("The certificate %.100q has expired: it was valid until %s.", c.Subject.String(), c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// Algorithms lists the algorithms of keys by ACM's names ("KeyAlgorithm").
func Algorithms() []string {
	return []string{"RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"}
}

// Algorithm names the algorithm of a public key; "" for one that is not supported.
func Algorithm(key any) string {
	name := ""
	switch k := key.(type) {
	case *rsa.PublicKey:
		name = fmt.Sprintf("RSA_%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			name = "EC_prime256v1"
		case elliptic.P384():
			name = "EC_secp384r1"
		case elliptic.P521():
			name = "EC_secp521r1"
		}
	}
	if !slices.Contains(Algorithms(), name) {
		return ""
	}
	return name
}

// Names lists the names that a certificate is for, in lower case: its common name, if that is one of them or there are no
// others, and its subject alternative names.
func Names(c *x509.Certificate) []string {
	var names []string
	common := strings.ToLower(c.Subject.CommonName)
	for _, n := range c.DNSNames {
		if n = strings.ToLower(n); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if i := slices.Index(names, common); i >= 0 {
		names = append([]string{common}, slices.Delete(names, i, i+1)...)
	}
	if len(names) == 0 && common != "" {
		names = []string{common}
	}
	return names
}
