// Package pattern is the filter patterns of CloudWatch Logs ("Filter pattern syntax for metric filters, subscription
// filters, filter log events, and Live Tail"): terms of unstructured text, and comparisons of the properties of JSON.
//
// Terms are looked for anywhere in a message, in the case in which they are written. Patterns for space-delimited
// messages, [a, b], are refused.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes is how long a pattern may be.
const MaxBytes = 1024

// Pattern chooses messages. It may be used by several goroutines.
type Pattern struct {
	all, none, any []matcher // terms that must, must not, and of which one may be in it
	json           condition // nil for a pattern of terms
}

// matcher finds a term in a message.
type matcher func(message string) bool

// Parse reads a pattern. The empty one matches everything. The error says what is wrong, for people.
func Parse(text string) (*Pattern, error) {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > MaxBytes:
		return nil, fmt.Errorf("it has %d bytes; at most %d are allowed", len(text), MaxBytes)
	case !utf8.ValidString(text):
		return nil, errors.New("it is not valid UTF-8")
	case strings.HasPrefix(text, "["):
		return nil, errors.New("patterns for space-delimited messages, [...], are not supported by maitred; use terms, or a %regular expression%")
	case strings.HasPrefix(text, "{"):
		c, err := parseJSON(text)
		if err != nil {
			return nil, err
		}
		return &Pattern{json: c}, nil
	}
	return parseTerms(text)
}

// Match says whether the pattern chooses a message.
func (p *Pattern) Match(message string) bool {
	if p.json != nil {
		return matchJSON(p.json, message)
	}
	in := func(m matcher) bool { return m(message) }
	if slices.ContainsFunc(p.none, in) || slices.ContainsFunc(p.all, func(m matcher) bool { return !m(message) }) {
		return false
	}
	return len(p.any) == 0 || slices.ContainsFunc(p.any, in)
}

// parseTerms reads terms: word, "words", %expression%, each perhaps after - or ?. Beside other terms, those with ? say
// nothing.
func parseTerms(text string) (*Pattern, error) {
	p := &Pattern{}
	for rest := text; ; {
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		if rest == "" {
			break
		}
		to := &p.all
		switch rest[0] {
		case '-':
			to, rest = &p.none, rest[1:]
		case '?':
			to, rest = &p.any, rest[1:]
		}
		m, after, err := parseTerm(rest)
		if err != nil {
			return nil, err
		}
		*to = append(*to, m)
		rest = after
	}
	if len(p.all)+len(p.none) > 0 {
		p.any = nil
	}
	return p, nil
}

func parseTerm(text string) (m matcher, rest string, err error) {
	switch {
	case strings.HasPrefix(text, `"`):
		term, rest, err := quoted(text)
		return contains(term), rest, err
	case strings.HasPrefix(text, "%"):
		expression, rest, found := strings.Cut(text[1:], "%")
		if !found {
			return nil, "", fmt.Errorf("the regular expression %q has no closing %%", clip(text))
		}
		re, err := regexp.Compile(expression)
		if err != nil {
			return nil, "", fmt.Errorf("%%%s%%: %w", clip(expression), err)
		}
		return re.MatchString, rest, nil
	}
	end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '"' })
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return nil, "", errors.New("a term is missing after - or ?")
	}
	return contains(text[:end]), text[end:], nil
}

func contains(term string) matcher {
	return func(message string) bool { return strings.Contains(message, term) }
}

// quoted reads a text in quotes, in which \ stands before " and \.
func quoted(text string) (value, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], nil
		case c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("the quotes of %s are not closed", clip(text))
}

// clip shortens a part of a pattern for an error.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
