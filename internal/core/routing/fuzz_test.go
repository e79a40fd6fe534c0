package routing_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// one is a listener with a single rule.
func one(r model.Rule) *routing.Listener {
	w := newWorld()
	w.listen(listenerARN, fixed(404))
	r.Priority = 1
	if len(r.Actions) == 0 {
		r.Actions = []model.Action{fixed(200)}
	}
	w.rule(listenerARN, r)
	return routing.Compile(nil, w.input()).Listeners[listenerARN]
}

// printable leaves out what rules do not look at, and what is not ASCII, which a regular expression reads otherwise.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f {
			return -1
		}
		return r
	}, s)
}

// FuzzWildcards: a value of each field matches what it would match as a regular expression.
func FuzzWildcards(f *testing.F) {
	for _, s := range [][2]string{
		{"*.example.com", "test.example.com"},
		{"/img/*", "/img/a/b"},
		{"a*b*c", "abc"},
		{"?*?", "ab"},
		{`\*\?\a`, `*?\a`},
		{"**", ""},
		{"a*a", "a"},
		{"ab*ba", "aba"},
		{"*ab?d*", "xabcde"},
		{"A", "a"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		pattern, text = printable(pattern), printable(text)
		if len(pattern) > 128 || len(text) > 1000 {
			t.Skip()
		}
		for _, field := range []string{model.FieldHost, model.FieldPath, model.FieldHeader, model.FieldQuery} {
			c := model.Condition{Field: field, Name: "X-A", Values: []string{pattern}}
			if field == model.FieldQuery {
				c = model.Condition{Field: field, Query: []model.KeyValue{{Value: pattern}}}
			}
			req := &routing.Request{Host: text, Path: text, Query: "k=" + text, Header: func(string) []string { return []string{text} }}
			if field == model.FieldHost && strings.ContainsAny(text, ":]") {
				continue // a port, which hosts are compared without
			}
			l := one(model.Rule{Conditions: []model.Condition{c}})
			if got, want := l.Match(req) != l.Default(), meets(&c, req); got != want {
				t.Fatalf("%s: %q matches %q: got %v, want %v", field, pattern, text, got, want)
			}
		}
	})
}

// FuzzRewrite: a transform that passes the check makes a URL and a host that can be sent, or fails; and it does what a
// regular expression does.
func FuzzRewrite(f *testing.F) {
	for _, s := range [][4]string{
		{"^/api(/.*)$", "$1", "h", "/api/x?y"},
		{"a(b)?", "[$1$$2]", "a:80", "/a"},
		{"(?i)X", "$0$0", "xx", "/x"},
		{"", "y", "", "/"},
		{".*", "/$10", "[::1]:8", "/%20"},
		{"(((((((((((a)))))))))))", "$11$12$", "a", "/a"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, regex, replace, host, uri string) {
		host, uri = printable(host), "/"+strings.NewReplacer(" ", "", "#", "").Replace(printable(uri))
		if len(regex) > 1024 || len(replace) > 1024 || len(uri) > 4096 {
			t.Skip()
		}
		tr := model.Transform{Type: "url-rewrite", Regex: regex, Replace: replace}
		r := one(model.Rule{Transforms: []model.Transform{{Type: "host-header-rewrite", Regex: regex, Replace: replace}, tr}}).Rules[0]
		newHost, newURI, err := routing.Rewrite(r, host, uri)
		if routing.CheckTransform(&tr) != nil {
			if err == nil {
				t.Fatal("a transform that cannot be used was applied")
			}
			return
		}
		if err != nil {
			return
		}
		if !strings.HasPrefix(newURI, "/") || strings.ContainsAny(newURI, " \r\n\x00#") || strings.ContainsAny(newHost, "\r\n\x00") {
			t.Fatalf("made %q and %q", newHost, newURI)
		}
		if !regexp.MustCompile(regex).MatchString(uri) && newURI != uri {
			t.Fatalf("%q does not match, and %q became %q", regex, uri, newURI)
		}
	})
}

// FuzzLocation: whatever the client sends, the location is a URL with the host, the port and the scheme that the redirect
// says, on one line and not too long.
func FuzzLocation(f *testing.F) {
	f.Add("#{host}", "/#{path}", "#{query}", "h:80", "/a/b", "c=d")
	f.Add("www.#{host}", "/#{host}/#{port}#{path", "#{protocol}", "[::1]", "//evil", "#{host}")
	f.Add("a.b", "/?x", "#", "", "/\r\nSet-Cookie: x", "\x00 \xff")
	f.Fuzz(func(t *testing.T, host, path, query, reqHost, reqPath, reqQuery string) {
		r := &model.Redirect{Protocol: "HTTPS", Host: host, Port: "443", Path: path, Query: query}
		got, err := routing.Location(r, routing.Origin{Scheme: "http", Host: reqHost, Port: "80", Path: reqPath, Query: reqQuery})
		if err != nil {
			return
		}
		if len(got) > 8<<10 || strings.ContainsFunc(got, func(c rune) bool { return c <= 0x20 || c >= 0x7f }) {
			t.Fatalf("location %q", got)
		}
		rest, ok := strings.CutPrefix(got, "https://")
		authority, _, slash := strings.Cut(rest, "/")
		if !ok || !slash || !strings.HasSuffix(authority, ":443") || strings.ContainsAny(authority, "?#@\\") {
			t.Fatalf("location %q leads elsewhere", got)
		}
		if strings.Contains(got, "%") {
			return // percent-encoding that came with the request stays, right or wrong
		}
		if _, err := url.Parse(got); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzConditions: no regular expression, address range or query string makes compiling or matching panic.
func FuzzConditions(f *testing.F) {
	f.Add("^a(b|c)*$", "10.0.0.0/8", "a=b&&=&c", "h:80", "x")
	f.Fuzz(func(t *testing.T, regex, source, query, host, value string) {
		if len(regex) > 128 || len(source) > 128 {
			t.Skip()
		}
		all := []model.Condition{
			{Field: model.FieldHost, Regex: []string{regex}},
			{Field: model.FieldSourceIP, Values: []string{source}},
			{Field: model.FieldQuery, Query: []model.KeyValue{{Key: regex, Value: value}}},
			{Field: value, Values: []string{source}},
			{Field: model.FieldHeader, Name: source, Values: []string{value}},
		}
		for _, c := range all {
			l := one(model.Rule{Conditions: []model.Condition{c}})
			got := l.Match(&routing.Request{Host: host, Query: query, Header: func(string) []string { return []string{value} }})
			if l.Rules[0].Err != nil && got != l.Default() {
				t.Fatal("a rule that cannot be compiled matches")
			}
		}
		if (routing.CheckRegex(regex) == nil) != (one(model.Rule{Conditions: all[:1]}).Rules[0].Err == nil) {
			t.Fatal("CheckRegex and Compile do not agree")
		}
	})
}
