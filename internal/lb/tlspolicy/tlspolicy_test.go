package tlspolicy_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/maitred/maitred/internal/lb/tlspolicy"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		low, high uint16
		rsa, sha  bool // has ciphers without forward secrecy, and with SHA-1
		ok        bool
	}{
		{tlspolicy.Default, tls.VersionTLS10, tls.VersionTLS12, true, true, true},
		{"ELBSecurityPolicy-TLS13-1-2-2021-06", tls.VersionTLS12, tls.VersionTLS13, false, false, true},
		{"ELBSecurityPolicy-TLS13-1-2-Res-2021-06", tls.VersionTLS12, tls.VersionTLS13, false, false, true},
		{"ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", tls.VersionTLS12, tls.VersionTLS13, true, false, true},
		{"ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", tls.VersionTLS12, tls.VersionTLS13, true, true, true},
		{"ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04", tls.VersionTLS12, tls.VersionTLS13, false, false, true},
		{"ELBSecurityPolicy-TLS13-1-3-2021-06", tls.VersionTLS13, tls.VersionTLS13, false, false, true},
		{"ELBSecurityPolicy-TLS13-1-0-2021-06", tls.VersionTLS10, tls.VersionTLS13, true, true, true},
		{"ELBSecurityPolicy-TLS-1-2-2017-01", tls.VersionTLS12, tls.VersionTLS12, true, false, true},
		{"ELBSecurityPolicy-TLS-1-2-Ext-2018-06", tls.VersionTLS12, tls.VersionTLS12, true, true, true},
		{"ELBSecurityPolicy-TLS-1-1-2017-01", tls.VersionTLS11, tls.VersionTLS12, true, true, true},
		{"ELBSecurityPolicy-FS-2018-06", tls.VersionTLS10, tls.VersionTLS12, false, true, true},
		{"ELBSecurityPolicy-FS-1-2-Res-2020-10", tls.VersionTLS12, tls.VersionTLS12, false, false, true},
		{"ELBSecurityPolicy-TLS14-1-2", 0, 0, false, false, false},
		{"ELBSecurityPolicy-TLS13-", 0, 0, false, false, false},
		{"", 0, 0, false, false, false},
	} {
		p, err := tlspolicy.Parse(tt.name)
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.name, err)
			continue
		}
		rsa := slices.Contains(p.Suites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256)
		sha := slices.Contains(p.Suites, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA)
		if p.Min != tt.low || p.Max != tt.high || rsa != tt.rsa || sha != tt.sha {
			t.Errorf("%s: got %+v", tt.name, p)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for id, want := range map[uint16]string{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:  "ECDHE-ECDSA-AES256-SHA",
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384:       "AES256-GCM-SHA384",
		tls.TLS_AES_128_GCM_SHA256:                "TLS_AES_128_GCM_SHA256",
	} {
		if got := tlspolicy.CipherName(id); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := tlspolicy.VersionName(tls.VersionTLS12); got != "TLSv1.2" {
		t.Errorf("got %s", got)
	}
}
