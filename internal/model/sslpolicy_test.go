package model_test

import (
	"crypto/tls"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// TestSSLPolicies checks that Go can serve every policy: all its ciphers, in one of its versions.
func TestSSLPolicies(t *testing.T) {
	t.Parallel()
	versions := map[uint16][]uint16{}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		versions[suite.ID] = suite.SupportedVersions
	}
	names := map[string]bool{}
	for _, p := range model.SSLPolicies() {
		if names[p.Name] || p.Min > p.Max || len(p.Ciphers) == 0 {
			t.Errorf("policy %+v is there twice, or is empty", p)
		}
		names[p.Name] = true
		for _, c := range p.Ciphers {
			fits := false
			for _, v := range versions[c.ID] {
				fits = fits || v >= p.Min && v <= p.Max
			}
			if !fits {
				t.Errorf("%s: Go does not serve %s in the versions %x to %x", p.Name, c.Name, p.Min, p.Max)
			}
		}
	}
	if p, ok := model.SSLPolicyByName(model.DefaultSSLPolicy); !ok || p.Max != tls.VersionTLS12 {
		t.Errorf("the default policy is %+v", p)
	}
	if p, ok := model.SSLPolicyByName("x"); ok {
		t.Errorf("found %+v", p)
	}
}
