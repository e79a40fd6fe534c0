package tlspolicy_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/maitred/maitred/internal/lb/tlspolicy"
)

func TestPolicies(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		min, max uint16
		old, rsa bool // whether a cipher with SHA-1, and one without forward secrecy, is among them
	}{
		"":                                         {tls.VersionTLS10, tls.VersionTLS12, true, true},
		"ELBSecurityPolicy-2016-08":                {tls.VersionTLS10, tls.VersionTLS12, true, true},
		"ELBSecurityPolicy-TLS-1-2-2017-01":        {tls.VersionTLS12, tls.VersionTLS12, false, true},
		"ELBSecurityPolicy-FS-1-2-Res-2020-10":     {tls.VersionTLS12, tls.VersionTLS12, false, false},
		"ELBSecurityPolicy-FS-2018-06":             {tls.VersionTLS10, tls.VersionTLS12, true, false},
		"ELBSecurityPolicy-TLS13-1-2-2021-06":      {tls.VersionTLS12, tls.VersionTLS13, false, false},
		"ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06": {tls.VersionTLS12, tls.VersionTLS13, false, true},
		"ELBSecurityPolicy-TLS13-1-3-2021-06":      {tls.VersionTLS13, tls.VersionTLS13, false, false},
	} {
		p, ok := tlspolicy.Find(name)
		if !ok {
			t.Errorf("Find(%q) finds nothing", name)
			continue
		}
		var c tls.Config
		p.Apply(&c)
		old := slices.Contains(c.CipherSuites, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA)
		rsa := slices.Contains(c.CipherSuites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256)
		if c.MinVersion != want.min || c.MaxVersion != want.max || old != want.old || rsa != want.rsa {
			t.Errorf("%q: versions %x to %x, SHA-1 %t, RSA %t; want %+v", name, c.MinVersion, c.MaxVersion, old, rsa, want)
		}
	}
	if p, ok := tlspolicy.Find("ELBSecurityPolicy-2099-01"); ok {
		t.Errorf("an unknown policy is %+v", p)
	}
}

// TestListed checks that names are told apart and that crypto/tls knows each cipher.
func TestListed(t *testing.T) {
	t.Parallel()
	known := map[uint16]bool{}
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known[c.ID] = true
	}
	seen := map[string]bool{}
	for _, p := range tlspolicy.All() {
		if seen[p.Name] {
			t.Errorf("%s is there twice", p.Name)
		}
		seen[p.Name] = true
		for _, c := range p.Ciphers {
			if !known[c] {
				t.Errorf("%s: crypto/tls has no cipher %#x", p.Name, c)
			}
		}
		if p.Max < tls.VersionTLS13 && len(p.Ciphers) == 0 {
			t.Errorf("%s has no cipher: crypto/tls would choose", p.Name)
		}
	}
}
