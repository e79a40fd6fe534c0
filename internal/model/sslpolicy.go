package model

import (
	"crypto/tls"
	"slices"
)

// DefaultSSLPolicy is the policy of a secure listener that names none ("Security policies for your Application Load
// Balancer": the default of all clients but the console).
const DefaultSSLPolicy = "ELBSecurityPolicy-2016-08"

// SSLPolicy says which versions of TLS and which ciphers a secure listener offers ("SslPolicy").
type SSLPolicy struct {
	Name     string
	Min, Max uint16 // versions, as crypto/tls has them
	// Ciphers are in the order in which they are preferred.
	Ciphers []SSLCipher
	// PostQuantum says that hybrid key exchanges with ML-KEM are offered beside the classical ones.
	PostQuantum bool
}

// SSLCipher is a cipher with its name in OpenSSL, which ELB uses, and its number in TLS.
type SSLCipher struct {
	Name string
	ID   uint16
}

// SSLPolicyByName finds a policy.
func SSLPolicyByName(name string) (SSLPolicy, bool) {
	all := SSLPolicies()
	if i := slices.IndexFunc(all, func(p SSLPolicy) bool { return p.Name == name }); i >= 0 {
		return all[i], true
	}
	return SSLPolicy{}, false
}

// SSLPolicies lists the policies that can be served. They are those of ELB without the ones for FIPS, which speak of a
// certified module; and without the ciphers that Go does not implement: ECDHE-ECDSA-AES256-SHA384,
// ECDHE-RSA-AES256-SHA384 and AES256-SHA256. No policy consists of these alone.
func SSLPolicies() []SSLPolicy {
	const tls10, tls11, tls12, tls13 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	gcm, cbc2, cbc1 := forwardGCM(), forwardSHA256(), forwardSHA1()
	rsa2, rsa1 := plainSHA256(), plainSHA1()
	forward := slices.Concat(gcm, cbc2, cbc1)
	ext1 := slices.Concat(gcm, cbc2, rsa2)
	all := slices.Concat(gcm, cbc2, cbc1, rsa2, rsa1)
	ancient := append(slices.Clone(all), SSLCipher{"DES-CBC3-SHA", tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA})
	modern := func(ciphers []SSLCipher) []SSLCipher { return slices.Concat(tls13Ciphers(), ciphers) }
	return []SSLPolicy{
		{"ELBSecurityPolicy-TLS13-1-2-2021-06", tls12, tls13, modern(slices.Concat(gcm, cbc2)), false},
		{"ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", tls12, tls13, modern(slices.Concat(gcm, cbc2)), true},
		{"ELBSecurityPolicy-TLS13-1-3-2021-06", tls13, tls13, modern(nil), false},
		{"ELBSecurityPolicy-TLS13-1-3-PQ-2025-09", tls13, tls13, modern(nil), true},
		{"ELBSecurityPolicy-TLS13-1-2-Res-2021-06", tls12, tls13, modern(gcm), false},
		{"ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", tls12, tls13, modern(gcm), true},
		{"ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", tls12, tls13, modern(ext1), false},
		{"ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09", tls12, tls13, modern(ext1), true},
		{"ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", tls12, tls13, modern(all), false},
		{"ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09", tls12, tls13, modern(all), true},
		{"ELBSecurityPolicy-TLS13-1-1-2021-06", tls11, tls13, modern(all), false},
		{"ELBSecurityPolicy-TLS13-1-0-2021-06", tls10, tls13, modern(all), false},
		{"ELBSecurityPolicy-TLS13-1-0-PQ-2025-09", tls10, tls13, modern(all), true},
		{"ELBSecurityPolicy-TLS-1-2-Ext-2018-06", tls12, tls12, all, false},
		{"ELBSecurityPolicy-TLS-1-2-2017-01", tls12, tls12, ext1, false},
		{"ELBSecurityPolicy-TLS-1-1-2017-01", tls11, tls12, all, false},
		{DefaultSSLPolicy, tls10, tls12, all, false},
		{"ELBSecurityPolicy-2015-05", tls10, tls12, all, false},
		{"ELBSecurityPolicy-TLS-1-0-2015-04", tls10, tls12, ancient, false},
		{"ELBSecurityPolicy-FS-2018-06", tls10, tls12, forward, false},
		{"ELBSecurityPolicy-FS-1-1-2019-08", tls11, tls12, forward, false},
		{"ELBSecurityPolicy-FS-1-2-2019-08", tls12, tls12, forward, false},
		{"ELBSecurityPolicy-FS-1-2-Res-2019-08", tls12, tls12, slices.Concat(gcm, cbc2), false},
		{"ELBSecurityPolicy-FS-1-2-Res-2020-10", tls12, tls12, gcm, false},
	}
}

func tls13Ciphers() []SSLCipher {
	return []SSLCipher{
		{"TLS_AES_128_GCM_SHA256", tls.TLS_AES_128_GCM_SHA256},
		{"TLS_AES_256_GCM_SHA384", tls.TLS_AES_256_GCM_SHA384},
		{"TLS_CHACHA20_POLY1305_SHA256", tls.TLS_CHACHA20_POLY1305_SHA256},
	}
}

func forwardGCM() []SSLCipher {
	return []SSLCipher{
		{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	}
}

func forwardSHA256() []SSLCipher {
	return []SSLCipher{
		{"ECDHE-ECDSA-AES128-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
		{"ECDHE-RSA-AES128-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
	}
}

func forwardSHA1() []SSLCipher {
	return []SSLCipher{
		{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
		{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
		{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
		{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
	}
}

func plainSHA256() []SSLCipher {
	return []SSLCipher{
		{"AES128-GCM-SHA256", tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
		{"AES128-SHA256", tls.TLS_RSA_WITH_AES_128_CBC_SHA256},
		{"AES256-GCM-SHA384", tls.TLS_RSA_WITH_AES_256_GCM_SHA384},
	}
}

func plainSHA1() []SSLCipher {
	return []SSLCipher{
		{"AES128-SHA", tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		{"AES256-SHA", tls.TLS_RSA_WITH_AES_256_CBC_SHA},
	}
}
