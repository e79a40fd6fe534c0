package daemon

import (
	"strings"
	"testing"
)

// TestValidateACME tells what is wrong with flags of an ACME server.
func TestValidateACME(t *testing.T) {
	t.Parallel()
	const directory = "https://acme.test/dir"
	for _, tt := range []struct{ directory, email, ca, want string }{
		{"", "", "", ""},
		{directory, "", "", ""},
		{directory, "ops@example.com", "/ca.pem", ""},
		{"", "ops@example.com", "", "--acme-directory"},
		{"", "", "/ca.pem", "--acme-directory"},
		{"http://acme.test/dir", "", "", "--acme-directory"},
		{"https://", "", "", "--acme-directory"},
		{directory, "Ops <ops@example.com>", "", "--acme-email"},
		{directory, "ops", "", "--acme-email"},
	} {
		c := Defaults()
		c.Server, c.ACMEDirectory, c.ACMEEmail, c.ACMECA = true, tt.directory, tt.email, tt.ca
		if err := c.Validate(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt, err, tt.want)
		}
	}
}

// TestAccountOfACME has the same account after a restart, and names a file that is no authority.
func TestAccountOfACME(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.DataDir, c.ACMEDirectory = t.TempDir(), "https://acme.test/dir"
	first, err := c.acme()
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.acme()
	if err != nil || !first.Key.Equal(second.Key) || first.Roots != nil {
		t.Errorf("after a restart: %+v, %v", second, err)
	}
	c.ACMECA = c.DataDir + "/acme.key"
	if _, err := c.acme(); err == nil || !strings.Contains(err.Error(), "--acme-ca") {
		t.Errorf("a file that is no authority: %v", err)
	}
}
