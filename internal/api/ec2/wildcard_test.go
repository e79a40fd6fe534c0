package ec2

import (
	"path"
	"strings"
	"testing"
)

func TestWildcard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"a*c", "abbbc", true},
		{"a*c", "abbb", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"*a*b*", "xxaxxbxx", true},
		{`a\*`, "a*", true},
		{`a\*`, "ab", false},
		{"ab", "abc", false},
		{"**b", "aab", true},
	} {
		if got := wildcard(c.pattern, c.text); got != c.want {
			t.Errorf("wildcard(%q, %q) = %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

// FuzzWildcard compares with the matcher of paths, which knows more, where both mean the same.
func FuzzWildcard(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		got := wildcard(pattern, text)
		if strings.ContainsAny(pattern, `[]\/`) || strings.Contains(text, "/") || !ascii(pattern+text) {
			return
		}
		want, err := path.Match(pattern, text)
		if err == nil && got != want {
			t.Errorf("wildcard(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
