package metadata

import (
	"strings"
	"testing"
	"time"
)

// FuzzCredentials: whatever a file holds, what is taken is whole, and an error holds nothing of it.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte(`{"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"2030-01-01T00:00:00Z"}`))
	f.Add([]byte("[default]\naws_access_key_id=A\naws_secret_access_key=S\n"))
	f.Add([]byte("[\n]=\n"))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCredentials("role", text, now)
		if err == nil && (c.AccessKeyID == "" || c.SecretAccessKey == "" || !now.Before(c.Expiration)) {
			t.Errorf("%q gave %+v", text, c)
		}
	})
}

// FuzzProtection: a request is for 0 to 2880 minutes, or something is wrong with it.
func FuzzProtection(f *testing.F) {
	f.Add(`{"ProtectionEnabled":true,"ExpiresInMinutes":60}`)
	f.Add(`{"ProtectionEnabled":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		if minutes, wrong := readProtection(strings.NewReader(body)); minutes < 0 || minutes > maxProtectionMinutes || wrong != "" && minutes != 0 {
			t.Errorf("%q gave %d, %q", body, minutes, wrong)
		}
	})
}
