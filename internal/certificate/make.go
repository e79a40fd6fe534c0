package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

const (
	// Validity is how long a certificate made here is valid, as at AWS ("Managed certificate renewal").
	Validity   = 395 * 24 * time.Hour
	commonName = 64 // at most so long
)

// Requestable lists the algorithms of keys that are made here ("RequestCertificate"); the first one is made when none is
// named.
func Requestable() []string { return []string{"RSA_2048", "EC_prime256v1", "EC_secp384r1"} }

// NewKey makes a key of an algorithm; the error names one that is not in Requestable.
func NewKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "RSA_2048":
		const bits = 2048
		return rsa.GenerateKey(rand.Reader, bits)
	case "EC_prime256v1":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EC_secp384r1":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, fmt.Errorf("keys of %q are not made", algorithm)
}

// EncodeKey writes a key as PEM.
func EncodeKey(private crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// SelfSigned makes a certificate for names, of which there is one at least, that is signed by its own key; both are PEM.
func SelfSigned(algorithm string, names []string, now time.Time) (body, key []byte, err error) {
	private, err := NewKey(algorithm)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	const serialBits = 127
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, DNSNames: names, NotBefore: now.Truncate(time.Second), NotAfter: now.Add(Validity).Truncate(time.Second),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if len(names[0]) <= commonName {
		template.Subject = pkix.Name{CommonName: names[0]}
	}
	if _, ok := private.(*rsa.PrivateKey); ok {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the certificate: %w", err)
	}
	if key, err = EncodeKey(private); err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key, nil
}
