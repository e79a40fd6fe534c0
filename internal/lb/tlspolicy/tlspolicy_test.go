package tlspolicy_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/maitred/maitred/internal/lb/tlspolicy"
	"github.com/maitred/maitred/internal/model"
)

func TestApply(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		lowest, highest uint16
		old, rsa        bool // whether a cipher with SHA-1, and one without forward secrecy, is among them
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
		var c tls.Config
		if err := tlspolicy.Apply(name, &c); err != nil {
			t.Errorf("Apply(%q): %v", name, err)
			continue
		}
		old := slices.Contains(c.CipherSuites, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA)
		rsa := slices.Contains(c.CipherSuites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256)
		if c.MinVersion != want.lowest || c.MaxVersion != want.highest || old != want.old || rsa != want.rsa {
			t.Errorf("%q: versions %x to %x, SHA-1 %t, RSA %t; want %+v", name, c.MinVersion, c.MaxVersion, old, rsa, want)
		}
	}
	if tlspolicy.Apply("ELBSecurityPolicy-2099-01", &tls.Config{}) == nil {
		t.Error("a policy that does not exist was applied")
	}
}

// TestCipherNames derives the name of each cipher, which access logs have, and compares it with that of the policies.
func TestCipherNames(t *testing.T) {
	t.Parallel()
	for _, policy := range model.SSLPolicies() {
		for _, c := range policy.Ciphers {
			if got := tlspolicy.CipherName(c.ID); got != c.Name {
				t.Errorf("CipherName(%x) = %q, want %q", c.ID, got, c.Name)
			}
		}
	}
	if got := tlspolicy.VersionName(tls.VersionTLS12); got != "TLSv1.2" {
		t.Errorf("VersionName(TLS 1.2) = %q", got)
	}
}
