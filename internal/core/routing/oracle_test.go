package routing_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// The oracle says which rule a request matches in the plainest way: one rule after the other, each value as a regular
// expression.

func glob(pattern string, fold, escapes bool) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?s)^")
	if fold {
		b.WriteString("(?i)")
	}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case escapes && c == '\\' && i+1 < len(pattern) && strings.IndexByte("*?", pattern[i+1]) >= 0:
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	return regexp.MustCompile(b.String() + "$")
}

func naive(l *routing.Listener, req *routing.Request) *routing.Rule {
	for _, r := range l.Rules[:len(l.Rules)-1] {
		if !slices.ContainsFunc(r.Record.Conditions, func(c model.Condition) bool { return !meets(&c, req) }) {
			return r
		}
	}
	return l.Default()
}

func meets(c *model.Condition, req *routing.Request) bool {
	some := func(texts []string, fold bool) bool {
		for _, text := range texts {
			for _, v := range c.Values {
				if glob(v, fold, false).MatchString(text) {
					return true
				}
			}
			for _, re := range c.Regex {
				if fold {
					re = "(?i)" + re
				}
				if regexp.MustCompile(re).MatchString(text) {
					return true
				}
			}
		}
		return false
	}
	switch c.Field {
	case model.FieldHost:
		name, _, _ := strings.Cut(req.Host, ":") // no IPv6 here
		return some([]string{name}, true)
	case model.FieldPath:
		return some([]string{req.Path}, false)
	case model.FieldHeader:
		return some(req.Header(c.Name), true)
	case model.FieldMethod:
		return slices.Contains(c.Values, req.Method)
	case model.FieldQuery:
		return slices.ContainsFunc(strings.Split(req.Query, "&"), func(text string) bool {
			k, v, _ := strings.Cut(text, "=")
			return text != "" && slices.ContainsFunc(c.Query, func(want model.KeyValue) bool {
				return (want.Key == "" || glob(want.Key, true, true).MatchString(k)) && glob(want.Value, true, true).MatchString(v)
			})
		})
	case model.FieldSourceIP:
		return slices.ContainsFunc(c.Values, func(v string) bool { return netip.MustParsePrefix(v).Contains(req.Source) })
	}
	return false
}
