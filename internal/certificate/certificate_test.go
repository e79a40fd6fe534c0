package certificate_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/certificate"
	"github.com/maitred/maitred/internal/model"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		common string
		others []string
		want   []string
	}{
		"the common name first":     {"b.test", []string{"a.test", "B.test", "a.test"}, []string{"b.test", "a.test"}},
		"one that is no name of it": {"Somebody", []string{"a.test"}, []string{"a.test"}},
		"the common name alone":     {"A.test", nil, []string{"a.test"}},
		"none":                      {"", nil, nil},
	} {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: test.common}, DNSNames: test.others}
		if diff := cmp.Diff(test.want, certificate.Names(c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// FuzzParse feeds it anything: it is refused in ACM's words, and nothing breaks.
func FuzzParse(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), []byte(nil))
	f.Add([]byte("x"), []byte("y"), []byte("z"))
	f.Fuzz(func(t *testing.T, body, key, chain []byte) {
		c, err := certificate.Parse(body, key, chain, time.Unix(0, 0))
		var refusal *model.Error
		if (c == nil) == (err == nil) || err != nil && (!errors.As(err, &refusal) || refusal.Code != "ValidationException") {
			t.Errorf("got %v, %v", c, err)
		}
	})
}
