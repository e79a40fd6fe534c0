package routing

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// condition is a compiled condition of a rule.
type condition struct {
	field    string
	name     string // of the header, in canonical form
	patterns []pattern
	regex    []*regexp.Regexp
	methods  []string
	pairs    []pair
	sources  []netip.Prefix
}

// pair is a value of a query-string condition.
type pair struct {
	anyKey     bool
	key, value pattern
}

// subject is a request while it is looked at.
type subject struct {
	req               *Request
	host, path, query string // visible characters only; host without its port
}

func compileCondition(c *model.Condition) (condition, error) {
	out := condition{field: c.Field}
	var err error
	switch c.Field {
	case model.FieldHost:
		out.patterns = patterns(c.Values, true)
		out.regex, err = compileRegexes(c.Regex, true)
	case model.FieldPath:
		out.patterns = patterns(c.Values, false)
		out.regex, err = compileRegexes(c.Regex, false)
	case model.FieldHeader:
		out.name = canonical(c.Name)
		out.patterns = patterns(c.Values, true)
		out.regex, err = compileRegexes(c.Regex, true)
	case model.FieldMethod:
		out.methods = c.Values
	case model.FieldQuery:
		for _, kv := range c.Query {
			out.pairs = append(out.pairs, pair{
				anyKey: kv.Key == "", key: compilePattern(kv.Key, true, true), value: compilePattern(kv.Value, true, true),
			})
		}
	case model.FieldSourceIP:
		out.sources, err = prefixes(c.Values)
	default:
		err = fmt.Errorf("condition field %q is not known", c.Field)
	}
	return out, err
}

func patterns(values []string, fold bool) []pattern {
	all := make([]pattern, len(values))
	for i, v := range values {
		all[i] = compilePattern(v, fold, false)
	}
	return all
}

// compileRegexes compiles regular expressions, which may match anywhere in the text. Host names and headers have no case,
// as with their other values.
func compileRegexes(texts []string, fold bool) ([]*regexp.Regexp, error) {
	var all []*regexp.Regexp
	for _, text := range texts {
		re, err := compileRegex(text, fold)
		if err != nil {
			return nil, err
		}
		all = append(all, re)
	}
	return all, nil
}

// prefixes reads address ranges; a plain address is the range of itself.
func prefixes(values []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			addr, other := netip.ParseAddr(v)
			if other != nil {
				return nil, fmt.Errorf("source-ip %q: %w", v, err)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// cost orders the conditions of a rule: the cheap ones are looked at first.
func (c *condition) cost() int {
	switch {
	case len(c.regex) > 0:
		return 3
	case c.field == model.FieldQuery:
		return 2
	case c.field == model.FieldHeader:
		return 1
	}
	return 0
}

// matches says whether the request meets the condition: one of its values matches.
func (c *condition) matches(s *subject) bool {
	switch c.field {
	case model.FieldHost:
		return c.text(s.host)
	case model.FieldPath:
		return c.text(s.path)
	case model.FieldHeader:
		return c.header(s.req)
	case model.FieldMethod:
		return slices.Contains(c.methods, s.req.Method)
	case model.FieldQuery:
		return c.queried(s.query)
	case model.FieldSourceIP:
		return c.source(s.req.Source)
	}
	return false
}

func (c *condition) text(s string) bool {
	for i := range c.patterns {
		if c.patterns[i].matches(s) {
			return true
		}
	}
	for _, re := range c.regex {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

func (c *condition) header(req *Request) bool {
	if req.Header == nil {
		return false
	}
	for _, v := range req.Header(c.name) {
		if c.text(visible(v)) {
			return true
		}
	}
	return false
}

// queried compares the pairs of the query string as they came: percent-encoding stays.
func (c *condition) queried(query string) bool {
	for query != "" {
		var text string
		text, query, _ = strings.Cut(query, "&")
		if text == "" {
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		for i := range c.pairs {
			p := &c.pairs[i]
			if (p.anyKey || p.key.matches(key)) && p.value.matches(value) {
				return true
			}
		}
	}
	return false
}

func (c *condition) source(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range c.sources {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// hostname is a Host header without its port. Brackets of an IPv6 address stay.
func hostname(host string) string {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || strings.IndexByte(host[colon:], ']') >= 0 {
		return host
	}
	return host[:colon]
}

// canonical is the form in which Go's servers keep the names of headers: Accept-Encoding.
func canonical(name string) string {
	b := []byte(name)
	first := true
	for i, c := range b {
		switch {
		case first && 'a' <= c && c <= 'z':
			b[i] = c - 'a' + 'A'
		case !first:
			b[i] = lower(c)
		}
		first = c == '-'
	}
	return string(b)
}
