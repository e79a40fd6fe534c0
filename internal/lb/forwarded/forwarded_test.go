package forwarded_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/lb/forwarded"
)

func TestFor(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddrPort("127.0.0.1:4711"), netip.MustParseAddrPort("[2001:db8::1]:4711")
	tests := []struct {
		name   string
		came   []string
		client netip.AddrPort
		mode   string
		port   bool
		want   []string
	}{
		{"append to nothing", nil, v4, "append", false, []string{"127.0.0.1"}},
		{"append to one", []string{"127.0.0.4"}, v4, "append", false, []string{"127.0.0.4, 127.0.0.1"}},
		{"append to two", []string{"127.0.0.4, 127.0.0.8"}, v4, "append", false, []string{"127.0.0.4, 127.0.0.8, 127.0.0.1"}},
		{"append to two fields", []string{"127.0.0.4", "127.0.0.8"}, v4, "append", false, []string{"127.0.0.4, 127.0.0.8, 127.0.0.1"}},
		{"with the port", nil, v4, "append", true, []string{"127.0.0.1:4711"}},
		{"with the port of IPv6", nil, v6, "append", true, []string{"[2001:db8::1]:4711"}},
		{"IPv6", nil, v6, "append", false, []string{"2001:db8::1"}},
		{"IPv4 in IPv6", nil, netip.MustParseAddrPort("[::ffff:10.0.0.1]:1"), "append", true, []string{"10.0.0.1:1"}},
		{"preserve nothing", nil, v4, "preserve", true, nil},
		{"preserve", []string{"127.0.0.4"}, v4, "preserve", true, []string{"127.0.0.4"}},
		{"remove", []string{"127.0.0.4"}, v4, "remove", true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, forwarded.For(tt.came, tt.client, tt.mode, tt.port)); diff != "" {
				t.Errorf("For (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	thirty := strings.TrimSuffix(strings.Repeat("10.0.0.1,", 30), ",")
	for _, tt := range []struct {
		came []string
		want bool
	}{
		{nil, false},
		{[]string{thirty}, false},
		{[]string{thirty + ",10.0.0.2"}, true},
		{[]string{thirty, "10.0.0.2"}, true},
		{[]string{thirty, ""}, false},
	} {
		if got := forwarded.TooMany(tt.came); got != tt.want {
			t.Errorf("TooMany(%q): got %v, want %v", tt.came, got, tt.want)
		}
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	now := time.Unix(0x58337262, 0)
	const id = "1-58337262-000000000000000a0000000b"
	for _, tt := range []struct {
		name, came string
		size       int
		want       string
	}{
		{"none", "", 0, "Root=" + id},
		{"a root", "Root=1-67891233-abcdef012345678912345678;CalledFrom=app", 0, "Self=" + id + ";Root=1-67891233-abcdef012345678912345678;CalledFrom=app"},
		{"a self", "Self=1-1-1;Root=1-2-2", 0, "Self=" + id + ";Root=1-2-2"},
		{"no root", "CalledFrom=app", 0, "Root=" + id + ";CalledFrom=app"},
		{"much else", "Root=1-2-2;CalledFrom=app", 8 << 10, "Root=1-2-2"},
		{"no list", "nonsense", 0, "Root=" + id},
		{"a quote", "Root=1\"2", 0, "Root=" + id},
		{"too long", "Root=" + strings.Repeat("1", 8<<10), 0, "Root=" + id},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(forwarded.AppendTrace(nil, tt.came, tt.size, now, [2]uint64{10, 11})); got != tt.want {
				t.Errorf("Trace(%q): got %q, want %q", tt.came, got, tt.want)
			}
		})
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		came     string
		port     int
		preserve bool
		want     string
	}{
		{"www.example.com", 8080, false, "www.example.com:8080"},
		{"www.example.com", 8080, true, "www.example.com"},
		{"www.example.com:9", 8080, false, "www.example.com:9"},
		{"example.com:80", 80, false, "example.com"},
		{"example.com:80", 80, true, "example.com:80"},
		{"example.com:9", 443, false, "example.com"},
		{"[::1]", 8080, false, "[::1]:8080"},
		{"[::1]:9", 443, false, "[::1]"},
		{"::1", 443, false, "::1"},
		{"", 8080, false, ""},
	} {
		if got := forwarded.Host(tt.came, tt.port, tt.preserve); got != tt.want {
			t.Errorf("Host(%q, %d, %v): got %q, want %q", tt.came, tt.port, tt.preserve, got, tt.want)
		}
	}
}

// FuzzForwarded hands what clients send to all of the functions: what comes out can be written as a field's value.
func FuzzForwarded(f *testing.F) {
	f.Add("127.0.0.4, 127.0.0.8", "Root=1-2-3;Self=4", "example.com:80")
	f.Add(",,,", ";;=;Root=", "[::1]:")
	f.Fuzz(func(t *testing.T, xff, trace, host string) {
		forwarded.TooMany([]string{xff})
		forwarded.For([]string{xff}, netip.MustParseAddrPort("10.0.0.1:1"), "append", true)
		got := string(forwarded.AppendTrace(nil, trace, len(trace), time.Unix(1, 0), [2]uint64{1, 2}))
		if !strings.Contains(got, "Root=") && !strings.Contains(strings.ToLower(got), "root=") || strings.ContainsAny(got, "\r\n\x00\"") {
			t.Errorf("Trace(%q): got %q", trace, got)
		}
		if h := forwarded.Host(host, 80, false); !strings.HasPrefix(host, h) {
			t.Errorf("Host(%q): got %q", host, h)
		}
	})
}
