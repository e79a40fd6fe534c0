// Package tlspolicy knows what the security policies of load balancers allow ("Security policies for your Application
// Load Balancer"): the versions of TLS and the ciphers, as far as Go's TLS has them. It has no DHE and no
// AES256-SHA384 in CBC mode; clients that can nothing else are very old.
package tlspolicy

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// Default is the policy of listeners that were made without one.
const Default = "ELBSecurityPolicy-2016-08"

// Policy is what a security policy allows.
type Policy struct {
	Min, Max uint16
	Suites   []uint16 // of TLS 1.2 and before
}

const prefix = "ELBSecurityPolicy-"

// Parse reads a policy's name. Names of policies with FIPS are those without: the cryptography is Go's in both.
func Parse(name string) (Policy, error) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return Policy{}, fmt.Errorf("%q is no security policy", name)
	}
	p := Policy{Max: tls.VersionTLS12}
	var kind string
	switch {
	case rest == "2016-08", rest == "2015-05":
		p.Min, kind = tls.VersionTLS10, "Ext"
	case strings.HasPrefix(rest, "TLS13-"):
		p.Max = tls.VersionTLS13
		p.Min, kind, ok = version(strings.TrimPrefix(rest, "TLS13-"))
	case strings.HasPrefix(rest, "TLS-"):
		p.Min, kind, ok = version(strings.TrimPrefix(rest, "TLS-"))
		if kind != "Ext" && p.Min == tls.VersionTLS12 {
			kind = "NoSHA"
		} else {
			kind = "Ext"
		}
	case strings.HasPrefix(rest, "FS-"):
		p.Min, kind, ok = forwardSecret(strings.TrimPrefix(rest, "FS-"))
	default:
		ok = false
	}
	if !ok {
		return Policy{}, fmt.Errorf("the security policy %q is not known", name)
	}
	p.Suites = suites(kind)
	return p, nil
}

// version reads "1-2-Res-2021-06": a version, what kind of ciphers, and a date.
func version(s string) (minimum uint16, kind string, ok bool) {
	versions := map[string]uint16{"1-0": tls.VersionTLS10, "1-1": tls.VersionTLS11, "1-2": tls.VersionTLS12, "1-3": tls.VersionTLS13}
	if len(s) < 4 {
		return 0, "", false
	}
	minimum, ok = versions[s[:3]]
	kind = strings.Trim(s[3:], "-")
	for _, word := range strings.Split(kind, "-") {
		switch word {
		case "Res", "Ext0", "Ext1", "Ext2", "Ext":
			kind = word
			if kind == "Ext0" { // forward secrecy with SHA
				kind = "FS"
			}
			if kind == "Ext2" {
				kind = "Ext"
			}
			return minimum, kind, ok
		}
	}
	if minimum < tls.VersionTLS12 {
		return minimum, "Ext", ok
	}
	return minimum, "FSNoSHA", ok
}

func forwardSecret(s string) (minimum uint16, kind string, ok bool) {
	switch s {
	case "2018-06":
		return tls.VersionTLS10, "FS", true
	case "1-1-2019-08":
		return tls.VersionTLS11, "FS", true
	case "1-2-2019-08":
		return tls.VersionTLS12, "FS", true
	case "1-2-Res-2019-08":
		return tls.VersionTLS12, "FSNoSHA", true
	case "1-2-Res-2020-10":
		return tls.VersionTLS12, "Res", true
	}
	return 0, "", false
}

// suites lists the ciphers of a kind, the best first.
func suites(kind string) []uint16 {
	list := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
	if kind == "Res" {
		return list
	}
	list = append(list, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256)
	if kind == "FS" || kind == "Ext" {
		list = append(list, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA)
	}
	if kind == "Ext" || kind == "Ext1" || kind == "NoSHA" {
		list = append(list, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA256)
	}
	if kind == "Ext" {
		list = append(list, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
	}
	return list
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
