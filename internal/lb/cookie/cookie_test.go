package cookie_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/lb/cookie"
)

func sealer(t testing.TB, secret string) *cookie.Sealer {
	t.Helper()
	s, err := cookie.NewSealer([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	s := sealer(t, "0123456789abcdef")
	id := cookie.NewID("group/task/10.0.0.1:80")
	value := s.Seal(cookie.Target, id, now)
	other := sealer(t, "another secret of its own")
	flipped := strings.ToUpper(value[:1]) + "A" + value[2:]
	tests := []struct {
		name   string
		sealer *cookie.Sealer
		cookie string
		value  string
		after  time.Duration
		want   bool
	}{
		{"as it was", s, cookie.Target, value, 0, true},
		{"just before its end", s, cookie.Target, value, 59 * time.Second, true},
		{"at its end", s, cookie.Target, value, time.Minute, false},
		{"from the future", s, cookie.Target, value, -2 * time.Minute, false},
		{"another secret", other, cookie.Target, value, 0, false},
		{"another cookie", s, cookie.Group, value, 0, false},
		{"changed", s, cookie.Target, flipped, 0, false},
		{"cut", s, cookie.Target, value[:len(value)-4], 0, false},
		{"nothing", s, cookie.Target, "", 0, false},
		{"no base64", s, cookie.Target, strings.Repeat("!", len(value)), 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := tt.sealer.Open(tt.cookie, tt.value, time.Minute, now.Add(tt.after))
			if ok != tt.want || ok && got != id {
				t.Errorf("Open: got %x, %v, want %v", got, ok, tt.want)
			}
		})
	}
	if s.Seal(cookie.Target, id, now) == value {
		t.Error("two seals of the same are the same: clients can compare where they go")
	}
	if _, err := cookie.NewSealer([]byte("short")); err == nil {
		t.Error("a short secret is taken")
	}
}

func TestSetCookies(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	want := []string{
		"AWSALB=v; Expires=Sun, 29 Nov 2026 10:00:00 GMT; Path=/",
		"AWSALBCORS=v; Expires=Sun, 29 Nov 2026 10:00:00 GMT; Path=/; SameSite=None; Secure",
	}
	if diff := cmp.Diff(want, cookie.SetCookies(cookie.Target, "v", now)); diff != "" {
		t.Errorf("cookies of a target (-want +got):\n%s", diff)
	}
	if got := cookie.SetCookies(cookie.Application, "v", now); len(got) != 1 {
		t.Errorf("cookies beside an application's: got %q, want one", got)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fields []string
		want   string
		ok     bool
	}{
		{[]string{"a=1; AWSALB=x; b=2"}, "x", true},
		{[]string{"a=1", "AWSALB=x=="}, "x==", true},
		{[]string{"AWSALB=\"x\""}, "x", true},
		{[]string{"AWSALB=first; AWSALB=second"}, "first", true},
		{[]string{"NAWSALB=x; AWSALBCORS=y; AWSALB"}, "", false},
		{nil, "", false},
		{[]string{";;;=;=="}, "", false},
	}
	for _, tt := range tests {
		if got, ok := cookie.Find(tt.fields, cookie.Target); got != tt.want || ok != tt.ok {
			t.Errorf("Find(%q): got %q, %v, want %q, %v", tt.fields, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSets(t *testing.T) {
	t.Parallel()
	fields := []string{"other=1; Path=/", "session=abc; HttpOnly"}
	for name, want := range map[string]bool{"session": true, "other": true, "Path": false, "sess": false} {
		if got := cookie.Sets(fields, name); got != want {
			t.Errorf("Sets(%q): got %v, want %v", name, got, want)
		}
	}
}

// FuzzOpen hands what clients send to the reader: nothing that we did not seal is opened, and nothing panics.
func FuzzOpen(f *testing.F) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	s := sealer(f, "0123456789abcdef")
	id := cookie.NewID("a")
	f.Add("AWSALB=" + s.Seal(cookie.Target, id, now))
	f.Add("AWSALBCORS=" + s.Seal(cookie.Group, id, now) + "; a=b")
	f.Add(";=;\"")
	f.Fuzz(func(t *testing.T, field string) {
		if got, ok := s.Sealed([]string{field}, cookie.Target, time.Hour, now); ok && got != id {
			t.Errorf("%q opens as %x", field, got)
		}
	})
}
