// Package tlspolicy carries out the security policies of listeners (model.SSLPolicies): it sets what a TLS configuration
// offers, and names versions and ciphers as access logs do.
package tlspolicy

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Apply makes a configuration offer what a policy allows; "" is the default policy.
func Apply(name string, c *tls.Config) error {
	if name == "" {
		name = model.DefaultSSLPolicy
	}
	policy, ok := model.SSLPolicyByName(name)
	if !ok {
		return errors.New("there is no security policy " + name)
	}
	c.MinVersion, c.MaxVersion, c.CipherSuites = policy.Min, policy.Max, []uint16{} // nil would be all
	for _, cipher := range policy.Ciphers {
		c.CipherSuites = append(c.CipherSuites, cipher.ID)
	}
	if !policy.PostQuantum {
		c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return nil
}

// VersionName is a version as access logs have it, "" for none.
func VersionName(version uint16) string {
	switch version {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

// CipherName is a cipher by OpenSSL's name, which access logs have: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is
// ECDHE-RSA-AES128-GCM-SHA256. Those of TLS 1.3 have the same name everywhere.
func CipherName(id uint16) string {
	if id == tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA {
		return "DES-CBC3-SHA"
	}
	name := tls.CipherSuiteName(id)
	exchange, cipher, ok := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !ok {
		return name
	}
	cipher = strings.NewReplacer("AES_128", "AES128", "AES_256", "AES256", "_CBC", "", "_", "-").Replace(cipher)
	if exchange == "RSA" {
		return cipher
	}
	return strings.ReplaceAll(exchange, "_", "-") + "-" + cipher
}
