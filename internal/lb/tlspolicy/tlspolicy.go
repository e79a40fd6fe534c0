// Package tlspolicy says what the security policies of listeners mean: which versions of TLS and which ciphers a client may
// choose from ("Security policies for your Network Load Balancer", "Security policies for your Application Load
// Balancer").
//
// Of the ciphers that a policy lists, those are offered that crypto/tls has: the ECDHE-CBC-SHA384 and the AES-256-SHA256
// ones are not among them, and no client that has one of those lacks a stronger one.
package tlspolicy

import (
	"crypto/tls"
	"slices"
)

// Default is the policy of a listener that names none.
const Default = "ELBSecurityPolicy-2016-08"

// Policy is what a client may choose from.
type Policy struct {
	Name     string
	Min, Max uint16   // versions, as in crypto/tls
	Ciphers  []uint16 // of TLS 1.2 and before, the preferred ones first; those of TLS 1.3 are fixed
}

// Apply sets versions and ciphers of a configuration.
func (p Policy) Apply(c *tls.Config) {
	c.MinVersion, c.MaxVersion, c.CipherSuites = p.Min, p.Max, slices.Clone(p.Ciphers)
}

// Find finds a policy by its name; "" is the default one.
func Find(name string) (Policy, bool) {
	if name == "" {
		name = Default
	}
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return Policy{}, false
}

// All lists the policies.
func All() []Policy {
	const v10, v11, v12, v13 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	const prefix = "ELBSecurityPolicy-"
	strict, sha256, ecdhe, ext1, all := strict(), sha256(), ecdhe(), ext1(), all()
	return []Policy{
		{prefix + "2016-08", v10, v12, all},
		{prefix + "2015-05", v10, v12, all},
		{prefix + "TLS-1-0-2015-04", v10, v12, append(slices.Clone(all), tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)},
		{prefix + "TLS-1-1-2017-01", v11, v12, all},
		{prefix + "TLS-1-2-2017-01", v12, v12, ext1},
		{prefix + "TLS-1-2-Ext-2018-06", v12, v12, all},
		{prefix + "FS-2018-06", v10, v12, ecdhe},
		{prefix + "FS-1-1-2019-08", v11, v12, ecdhe},
		{prefix + "FS-1-2-2019-08", v12, v12, ecdhe},
		{prefix + "FS-1-2-Res-2019-08", v12, v12, sha256},
		{prefix + "FS-1-2-Res-2020-10", v12, v12, strict},
		{prefix + "TLS13-1-0-2021-06", v10, v13, all},
		{prefix + "TLS13-1-1-2021-06", v11, v13, all},
		{prefix + "TLS13-1-2-2021-06", v12, v13, sha256},
		{prefix + "TLS13-1-2-Res-2021-06", v12, v13, strict},
		{prefix + "TLS13-1-2-Ext1-2021-06", v12, v13, ext1},
		{prefix + "TLS13-1-2-Ext2-2021-06", v12, v13, all},
		{prefix + "TLS13-1-3-2021-06", v13, v13, nil},
	}
}

// strict are the ciphers with forward secrecy that authenticate what they encrypt.
func strict() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
}

// sha256 adds those with SHA-256.
func sha256() []uint16 {
	return append(strict(), tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256)
}

// ecdhe are all that have forward secrecy.
func ecdhe() []uint16 {
	return append(sha256(),
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA)
}

// ext1 adds, to those with SHA-256, the ones without forward secrecy.
func ext1() []uint16 {
	return append(sha256(), tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA256)
}

// all are those of the oldest policies.
func all() []uint16 {
	return append(ecdhe(),
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}
