package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolvers(t *testing.T) {
	t.Parallel()
	const none = "\x00" // no such file
	for _, c := range []struct{ name, own, stub, want string }{
		{
			"as it is", "nameserver 192.0.2.1\nsearch a.example b.example\noptions ndots:2\n", none,
			"nameserver 192.0.2.1\nsearch a.example b.example\noptions ndots:2\n",
		},
		{
			"comments and what is unknown", "# x\n; y\nsortlist 1.2.3.4\n\n nameserver\t192.0.2.1 # z\nnameserver\nnameserver x\n", none,
			"nameserver 192.0.2.1\n",
		},
		{"IPv6 stays outside", "nameserver fd00::1\nnameserver ::ffff:192.0.2.1\n", none, "nameserver 192.0.2.1\n"},
		{"the last search holds", "domain a.example\nsearch b.example\n", none, "search b.example\n"},
		{
			"systemd-resolved", "nameserver 127.0.0.53\noptions edns0\nsearch a.example\n", "nameserver 192.0.2.7\nsearch b.example\n",
			"nameserver 192.0.2.7\nsearch b.example\n",
		},
		{"a resolver of this machine", "nameserver 127.0.0.1\nsearch a.example\n", none, "search a.example\n"},
		{"both on loopback", "nameserver 127.0.0.1\nsearch a.example\n", "nameserver 127.0.0.53\nsearch b.example\n", "search a.example\n"},
		{"some on loopback", "nameserver 127.0.0.1\nnameserver 192.0.2.2\n", "nameserver 192.0.2.7\n", "nameserver 192.0.2.2\n"},
		{"nothing", none, none, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			paths := []string{filepath.Join(dir, "own"), filepath.Join(dir, "stub")}
			for i, text := range []string{c.own, c.stub} {
				if text != none {
					if err := os.WriteFile(paths[i], []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := resolversOf(paths...)
			if diff := cmp.Diff(c.want, got.String()); diff != "" || err != nil {
				t.Errorf("error %v, resolv.conf (-want +got):\n%s", err, diff)
			}
		})
	}
}

func FuzzResolv(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nsearch a b\noptions x\n")
	f.Add("domain\nnameserver 127.0.0.1 \n#")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseResolv(strings.NewReader(text))
		if err != nil {
			return // a line that is too long
		}
		first.Nameservers = reachable(first.Nameservers)
		again, err := parseResolv(strings.NewReader(first.String()))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(first.String(), again.String()); diff != "" {
			t.Errorf("written and read again (-first +again):\n%s", diff)
		}
	})
}
