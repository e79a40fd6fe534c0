package l7

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/lb/forwarded"
)

// FuzzAbsolute reads request targets in absolute form. What is not refused has a host and a path, and nothing goes on that
// would end a line or a part of it.
func FuzzAbsolute(f *testing.F) {
	for _, s := range []string{
		"a.example", "a.example/", "a.example:8080/b?c", "a.example?c", "[::1]:80/", "/", "?", "a@b/", "a,b/", `a\b/`, "a b/c d", "a.example/\r", "a\x00/", "a\x7f",
		"a.example//b/../c#d", "a:b:c/", "[::1", "\xff/\xff", "a.example/?\r\tx", "HTTP://a/", "a%20b/", "a.example#@b/", "a#b/", `a<b>"/`,
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, rest string, secure bool) {
		target := "HttP://" + rest
		if secure {
			target = "https://" + rest
		}
		raw := []byte("GET " + target + " HTTP/1.1\r\nHost: b.example\r\n\r\n")
		var scan desync.Scan
		end := scan.End(raw)
		var h desync.Head
		h.Parse(raw[:end])
		r := fromHead(&h, end)
		if r.refuse != 0 {
			return
		}
		if r.host == "" || !desync.ValidHost(r.host) || strings.ContainsAny(r.host, "@/?#,\\") {
			t.Errorf("%q has the host %q", target, r.host)
		}
		if !strings.HasPrefix(r.path, "/") || strings.Contains(r.path, "?") {
			t.Errorf("%q has the path %q", target, r.path)
		}
		for _, preserve := range []bool{false, true} {
			if sent := r.uri() + string(forwarded.AppendHost(nil, r.host, 8080, preserve)); !desync.Plain(sent) {
				t.Errorf("%q goes on as %q", target, sent)
			}
		}
	})
}
