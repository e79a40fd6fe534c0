package pattern_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/logs/pattern"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	const doc = `{"level":"ERROR","n":7,"ok":true,"nil":null,"o":{"a b":"x","list":[1,{"k":"v"}]},"ip":"10.1.2.3"}`
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"  ", "", true},
		{"ERROR", "an ERROR", true},
		{"ERROR", "an error", false},
		{"ERROR 400", "400 ERROR", true},
		{"ERROR 400", "ERROR 500", false},
		{`"not found"`, "it was not found", true},
		{`"not found"`, "found not", false},
		{`"say \"hi\" \\"`, `say "hi" \`, true},
		{"ERROR -debug", "ERROR here", true},
		{"ERROR -debug", "ERROR debug", false},
		{`-"a b"`, "a b", false},
		{`-"a b"`, "ab", true},
		{"?a ?b", "only b", true},
		{"?a ?b", "ccc", false},
		{"x ?a", "x", true},
		{"%[0-9]{3}%", "abc123", true},
		{"%^[0-9]{3}$%", "abc123", false},
		{"-%x%", "x", false},
		{`{ $.level = "ERROR" }`, doc, true},
		{`{ $.level = ERROR }`, doc, true},
		{`{ $.level = "WARN" }`, doc, false},
		{`{ $.level != "WARN" }`, doc, true},
		{`{ $.absent != "WARN" }`, doc, false},
		{`{ $.level = "E*R" }`, doc, true},
		{`{ $.level = "*" }`, doc, true},
		{`{ $.ip = 10.1.* }`, doc, true},
		{`{ $.ip = %^10\.1% }`, doc, true},
		{`{ $.n = 7 }`, doc, true},
		{`{ $.n > 6 && $.n <= 7 }`, doc, true},
		{`{ $.n < 7 || $.n >= 8 }`, doc, false},
		{`{ $.n != 8 }`, doc, true},
		{`{ $.n = "7" }`, doc, true},
		{`{ $.ok IS TRUE }`, doc, true},
		{`{ $.ok is false }`, doc, false},
		{`{ $.nil IS NULL }`, doc, true},
		{`{ $.absent IS NULL }`, doc, false},
		{`{ $.absent NOT EXISTS }`, doc, true},
		{`{ $.nil EXISTS }`, doc, true},
		{`{ $.o["a b"] = x }`, doc, true},
		{`{ $.o.list[0] = 1 }`, doc, true},
		{`{ $.o.list[*].k = "v" }`, doc, true},
		{`{ $.o.list[9] = 1 }`, doc, false},
		{`{ ($.n = 1 || $.n = 7) && $.level = ERROR }`, doc, true},
		{`{ $.n = 7 || $.n = 1 && $.level = WARN }`, doc, true},
		{`{ $.o = 1 }`, doc, false},
		{`{ $.n = 7 }`, "no json", false},
		{`{ $.n = 7 }`, "[7]", false},
	} {
		p, err := pattern.Parse(c.pattern)
		if err != nil {
			t.Errorf("Parse(%s) = %v", c.pattern, err)
			continue
		}
		if got := p.Match(c.message); got != c.want {
			t.Errorf("%s on %s = %v, want %v", c.pattern, c.message, got, c.want)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ pattern, want string }{
		"too long":            {strings.Repeat("x", 1025), "at most 1024"},
		"no UTF-8":            {"\xff", "UTF-8"},
		"space-delimited":     {"[a, b]", "not supported"},
		"open quotes":         {`"abc`, "not closed"},
		"nothing to exclude":  {"a -", "missing"},
		"open expression":     {"%abc", "no closing"},
		"bad expression":      {"%(%", "missing closing"},
		"no selector":         {`{ level = "x" }`, "expected a selector"},
		"no dot":              {`{ $ = "x" }`, "begins with $."},
		"no name":             {`{ $. = "x" }`, "name is missing"},
		"no operator":         {`{ $.a "x" }`, "expected =,"},
		"no value":            {`{ $.a = }`, "value is missing"},
		"no end":              {`{ $.a = 1`, "expected }"},
		"something behind":    {`{ $.a = 1 } x`, "after the closing"},
		"open parenthesis":    {`{ ($.a = 1 }`, "expected )"},
		"text is not ordered": {`{ $.a > "x" }`, "no number"},
		"order of expression": {`{ $.a > %x% }`, "compared by"},
		"IS what":             {`{ $.a IS 5 }`, "TRUE, FALSE or NULL"},
		"NOT what":            {`{ $.a NOT 5 }`, "EXISTS"},
		"bad index":           {`{ $.a[x] = 5 }`, "expected a number"},
		"open bracket":        {`{ $.a["x" = 5 }`, "not closed"},
		"and what":            {`{ $.a = 1 && }`, "expected a selector"},
	} {
		if _, err := pattern.Parse(c.pattern); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Parse(%.40s) = %v, want an error with %q", name, c.pattern, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`ERROR -"a b" ?c %x%`, "ERROR")
	f.Add(`{ ($.a.b[0]["c"] = "x*" && $.n >= 5) || $.z NOT EXISTS }`, `{"a":{"b":[{"c":"xy"}]},"n":5}`)
	f.Fuzz(func(t *testing.T, text, message string) {
		p, err := pattern.Parse(text)
		if (p == nil) == (err == nil) && err == nil {
			t.Fatal("neither a pattern nor an error")
		}
		if err == nil {
			p.Match(message)
		}
	})
}
