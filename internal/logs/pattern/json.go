package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// condition is a part of a pattern for JSON.
type condition func(document any) bool

// matchJSON applies a condition to a message, which does not match if it is no JSON.
func matchJSON(c condition, message string) bool {
	if !strings.HasPrefix(strings.TrimLeft(message, " \t\r\n"), "{") {
		return false
	}
	var document any
	if err := json.Unmarshal([]byte(message), &document); err != nil {
		return false
	}
	return c(document)
}

// parser reads { … }.
type parser struct{ rest string }

func parseJSON(text string) (condition, error) {
	p := &parser{rest: text[1:]}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take("}") {
		return nil, fmt.Errorf("expected }, && or || before %q", clip(p.rest))
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("%q comes after the closing }", clip(p.rest))
	}
	return c, nil
}

func (p *parser) space() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

// take takes a symbol off the front, if it is there.
func (p *parser) take(symbol string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, symbol)
	if ok {
		p.rest = rest
	}
	return ok
}

// keyword takes a word, in any case, if it is there.
func (p *parser) keyword(word string) bool {
	p.space()
	n := len(word)
	if len(p.rest) < n || !strings.EqualFold(p.rest[:n], word) || len(p.rest) > n && bare(rune(p.rest[n])) {
		return false
	}
	p.rest = p.rest[n:]
	return true
}

func (p *parser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.take("||") {
		var right condition
		if right, err = p.and(); err == nil {
			l := left
			left = func(d any) bool { return l(d) || right(d) }
		}
	}
	return left, err
}

func (p *parser) and() (condition, error) {
	left, err := p.single()
	for err == nil && p.take("&&") {
		var right condition
		if right, err = p.single(); err == nil {
			l := left
			left = func(d any) bool { return l(d) && right(d) }
		}
	}
	return left, err
}

func (p *parser) single() (condition, error) {
	if !p.take("(") {
		return p.comparison()
	}
	c, err := p.or()
	if err == nil && !p.take(")") {
		return nil, fmt.Errorf("expected ) before %q", clip(p.rest))
	}
	return c, err
}

// comparison reads SELECTOR OPERATOR VALUE, SELECTOR IS TRUE and the like.
func (p *parser) comparison() (condition, error) {
	s, err := p.selector()
	if err != nil {
		return nil, err
	}
	switch {
	case p.keyword("NOT"):
		if !p.keyword("EXISTS") {
			return nil, errors.New("expected EXISTS after NOT")
		}
		return func(d any) bool { return len(s.find(d)) == 0 }, nil
	case p.keyword("EXISTS"):
		return func(d any) bool { return len(s.find(d)) > 0 }, nil
	case p.keyword("IS"):
		return p.is(s)
	}
	for _, operator := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(operator) {
			test, err := p.value(operator)
			return anyOf(s, test), err
		}
	}
	return nil, fmt.Errorf("expected =, !=, <, >, <=, >=, IS, EXISTS or NOT EXISTS before %q", clip(p.rest))
}

func (p *parser) is(s selector) (condition, error) {
	var want any
	switch {
	case p.keyword("TRUE"):
		want = true
	case p.keyword("FALSE"):
		want = false
	case p.keyword("NULL"):
	default:
		return nil, fmt.Errorf("expected TRUE, FALSE or NULL after IS, before %q", clip(p.rest))
	}
	return anyOf(s, func(v any) bool { return v == want }), nil
}

// anyOf is true if one of the values that the selector finds is as wanted.
func anyOf(s selector, test func(any) bool) condition {
	return func(d any) bool {
		for _, v := range s.find(d) {
			switch v.(type) {
			case map[string]any, []any: // they cannot be compared
			default:
				if test(v) {
					return true
				}
			}
		}
		return false
	}
}

// value reads what is compared with: a number, text with * for anything, or a regular expression.
func (p *parser) value(operator string) (func(any) bool, error) {
	p.space()
	switch {
	case strings.HasPrefix(p.rest, "%"):
		return p.expression(operator)
	case strings.HasPrefix(p.rest, `"`):
		text, rest, err := quoted(p.rest)
		p.rest = rest
		if err != nil {
			return nil, err
		}
		return compareText(operator, text)
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !bare(r) })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	if word == "" {
		return nil, fmt.Errorf("a value is missing before %q", clip(p.rest))
	}
	if n, err := strconv.ParseFloat(word, 64); err == nil {
		return compareNumber(operator, n), nil
	}
	return compareText(operator, word)
}

// bare says what a value without quotes is made of.
func bare(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.*-+:/", r)
}

func (p *parser) expression(operator string) (func(any) bool, error) {
	expression, rest, found := strings.Cut(p.rest[1:], "%")
	if !found {
		return nil, fmt.Errorf("the regular expression %q has no closing %%", clip(p.rest))
	}
	p.rest = rest
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("%%%s%%: %w", clip(expression), err)
	}
	if operator != "=" && operator != "!=" {
		return nil, fmt.Errorf("a regular expression is compared by = or !=, not by %s", operator)
	}
	return func(v any) bool {
		text, ok := asText(v)
		return ok && re.MatchString(text) == (operator == "=")
	}, nil
}

func compareNumber(operator string, want float64) func(any) bool {
	return func(v any) bool {
		got, ok := v.(float64)
		if !ok {
			return operator == "!=" && v != nil
		}
		switch operator {
		case "=":
			return got == want
		case "!=":
			return got != want
		case "<":
			return got < want
		case ">":
			return got > want
		case "<=":
			return got <= want
		}
		return got >= want
	}
}

func compareText(operator, want string) (func(any) bool, error) {
	if operator != "=" && operator != "!=" {
		return nil, fmt.Errorf("%q is no number: text is compared by = or !=, not by %s", clip(want), operator)
	}
	parts := strings.Split(want, "*")
	return func(v any) bool {
		text, ok := asText(v)
		return ok && wild(parts, text) == (operator == "=")
	}, nil
}

func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// wild compares text with a pattern that was split at its wildcards.
func wild(parts []string, text string) bool {
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	if len(parts) == 1 {
		return rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
