package model

import "time"

// Certificate is a server certificate with its key, which is sealed ("ImportCertificate").
type Certificate struct {
	ARN        string    `json:"arn"`
	Region     string    `json:"region"`
	Names      []string  `json:"names"` // of its subject: the first is its domain name
	Chain      []byte    `json:"chain"` // PEM: the certificate and those that vouch for it
	SealedKey  []byte    `json:"key"`   // the private key in PEM, sealed
	NotBefore  time.Time `json:"notBefore"`
	NotAfter   time.Time `json:"notAfter"`
	Serial     string    `json:"serial"`
	Issuer     string    `json:"issuer"`
	Algorithm  string    `json:"algorithm"` // of the key, as ACM names it: RSA_2048, EC_prime256v1 …
	Type       string    `json:"type"`      // IMPORTED, or AMAZON_ISSUED for one that was requested
	Tags       []Tag     `json:"tags,omitempty"`
	CreatedAt  time.Time `json:"created"`
	ImportedAt time.Time `json:"imported"`
	IssuedAt   time.Time `json:"issued,omitzero"`
	RenewedAt  time.Time `json:"renewed,omitzero"`
	Cause      Cause     `json:"cause"`
	// Status is a Certificate… status. A certificate that was never issued has no chain, no key and no dates.
	Status string `json:"status,omitempty"`
	// ACME says that its names are proven to an ACME server; else it was imported, or is signed by itself.
	ACME bool `json:"acme,omitempty"`
	// Challenges are the proofs that the ACME server may ask for now.
	Challenges []Challenge `json:"challenges,omitempty"`
	// Attempts are those that have failed since it was requested, or last renewed.
	Attempts CertificateAttempts `json:"attempts,omitzero"`
}

// The statuses of certificates ("CertificateStatus"). That one has expired follows from its NotAfter.
const (
	CertificateIssued   = "" // or imported
	CertificatePending  = "PENDING_VALIDATION"
	CertificateTimedOut = "VALIDATION_TIMED_OUT"
	CertificateFailed   = "FAILED"
)

// Challenge is a proof that a name is ours. By HTTP, whoever asks the name for the token gets the answer (RFC 8555, 8.3); by
// TLS, whoever wants to speak "acme-tls/1" with the name is shown a certificate that has a digest of the answer (RFC 8737).
type Challenge struct {
	TLS    bool   `json:"tls,omitempty"` // by TLS
	Name   string `json:"name"`
	Token  string `json:"token"`
	Answer string `json:"answer"`
}

// CertificateAttempts tells of attempts to have a certificate issued that have failed.
type CertificateAttempts struct {
	Failed  int       `json:"failed"`
	Reason  string    `json:"reason,omitempty"`  // ACM's word for why the last one did ("FailureReason")
	Problem string    `json:"problem,omitempty"` // the same in the words of who refused it
	LastAt  time.Time `json:"last,omitzero"`
	NextAt  time.Time `json:"next,omitzero"` // no attempt before; zero: none will be made
}

// Key implements Record.
func (c *Certificate) Key() Key { return CertificateKey(c.ARN) }

// CertificateKey is the key of a certificate.
func CertificateKey(arn string) Key { return Key{KindCertificate, arn} }

// Issued says that there is something to show to a client.
func (c *Certificate) Issued() bool { return c.Status == CertificateIssued }

// Self says that it was made here and signed by itself.
func (c *Certificate) Self() bool { return c.Type == CertificateRequested && !c.ACME }

// The types of certificates ("CertificateDetail").
const (
	CertificateImported  = "IMPORTED"
	CertificateRequested = "AMAZON_ISSUED"
)
