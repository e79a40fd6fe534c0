package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// selector is a path in a document: $.a.b[0]["c"].
type selector []step

// step is a member of an object, or an element of an array.
type step struct {
	member string
	index  int
	kind   stepKind
}

type stepKind int

const (
	ofObject stepKind = iota
	ofArray
	everyElement
)

func (p *parser) selector() (selector, error) {
	if !p.take("$") {
		return nil, fmt.Errorf("expected a selector, as $.level, before %q", clip(p.rest))
	}
	var s selector
	for {
		switch {
		case strings.HasPrefix(p.rest, "."):
			end := strings.IndexFunc(p.rest[1:], func(r rune) bool {
				return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' && r != '@'
			})
			if end < 0 {
				end = len(p.rest) - 1
			}
			name := p.rest[1 : 1+end]
			if name == "" {
				return nil, fmt.Errorf("a name is missing after the dot in %q", clip(p.rest))
			}
			s, p.rest = append(s, step{member: name}), p.rest[1+end:]
		case strings.HasPrefix(p.rest, "["):
			next, err := p.bracket()
			if err != nil {
				return nil, err
			}
			s = append(s, next)
		case len(s) == 0:
			return nil, errors.New("a selector begins with $. and a name")
		default:
			return s, nil
		}
	}
}

// bracket reads [0], [*] or ["name"].
func (p *parser) bracket() (step, error) {
	p.rest = p.rest[1:]
	var s step
	if strings.HasPrefix(p.rest, `"`) {
		name, rest, err := quoted(p.rest)
		if err != nil {
			return s, err
		}
		s.member, p.rest = name, rest
	} else {
		inside, _, _ := strings.Cut(p.rest, "]")
		n, err := strconv.Atoi(inside)
		switch {
		case inside == "*":
			s.kind = everyElement
		case err != nil || n < 0:
			return s, fmt.Errorf(`expected a number, * or a "name" in [%s]`, clip(inside))
		default:
			s.kind, s.index = ofArray, n
		}
		p.rest = p.rest[len(inside):]
	}
	if !strings.HasPrefix(p.rest, "]") {
		return s, errors.New("a [ in a selector is not closed")
	}
	p.rest = p.rest[1:]
	return s, nil
}

// find gives the values that are there.
func (s selector) find(document any) []any {
	found := []any{document}
	for _, step := range s {
		var next []any
		for _, v := range found {
			next = step.from(next, v)
		}
		found = next
	}
	return found
}

// from appends what the step leads to.
func (s step) from(to []any, v any) []any {
	switch v := v.(type) {
	case map[string]any:
		if x, ok := v[s.member]; ok && s.kind == ofObject {
			return append(to, x)
		}
	case []any:
		switch {
		case s.kind == everyElement:
			return append(to, v...)
		case s.kind == ofArray && s.index < len(v):
			return append(to, v[s.index])
		}
	}
	return to
}
