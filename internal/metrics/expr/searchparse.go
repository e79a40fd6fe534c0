package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// searchParser reads the query of a search; rest is what is left of it.
type searchParser struct {
	rest  string
	depth int
}

func (p *searchParser) skip() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

// schema reads {Namespace, Dimension, …}, and a comma after it.
func (p *searchParser) schema(s *Search) error {
	if !strings.HasPrefix(p.rest, "{") {
		return nil
	}
	for mark := "{"; ; mark = "," {
		p.rest = strings.TrimPrefix(p.rest, mark)
		name, err := p.name(",}")
		if err != nil {
			return err
		}
		if name == "" {
			return errors.New("the schema of the query has an empty name")
		}
		if mark == "{" {
			s.Namespace = name
		} else {
			s.Dimensions = append(s.Dimensions, name)
		}
		switch p.skip(); {
		case strings.HasPrefix(p.rest, "}"):
			p.rest = p.rest[1:]
			p.skip()
			p.rest = strings.TrimPrefix(p.rest, ",")
			return nil
		case !strings.HasPrefix(p.rest, ","):
			return errors.New("the schema of the query is not closed by }")
		}
	}
}

// name reads a name in double quotes, or a bare one up to one of some characters.
func (p *searchParser) name(until string) (string, error) {
	p.skip()
	if strings.HasPrefix(p.rest, `"`) {
		return p.quoted()
	}
	n := strings.IndexAny(p.rest, until)
	if n < 0 {
		n = len(p.rest)
	}
	name := strings.TrimSpace(p.rest[:n])
	p.rest = p.rest[n:]
	return name, nil
}

// quoted reads a name in double quotes, in which a backslash stands before what would mean something else.
func (p *searchParser) quoted() (string, error) {
	var name strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return name.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			name.WriteByte(p.rest[i])
		default:
			name.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the name is not closed that begins with %s in the query", p.rest)
}

// word says whether the next bare word is one, and reads it.
func (p *searchParser) word(word string) bool {
	p.skip()
	after, ok := strings.CutPrefix(p.rest, word)
	if !ok || after != "" && !strings.ContainsAny(after[:1], " \t\r\n(\"") {
		return false
	}
	p.rest = after
	return true
}

func (p *searchParser) or() (searchTerm, error) {
	var terms anyTerm
	for {
		t, err := p.and()
		if err != nil {
			return nil, err
		}
		if terms = append(terms, t); !p.word("OR") {
			return terms, nil
		}
	}
}

// and reads terms with AND or nothing between them.
func (p *searchParser) and() (searchTerm, error) {
	var terms allTerm
	for {
		t, err := p.not()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if p.word("AND") {
			continue
		}
		if p.skip(); p.rest == "" || p.rest[0] == ')' || p.ahead("OR") {
			return terms, nil
		}
	}
}

// ahead says whether the next bare word is one.
func (p *searchParser) ahead(word string) bool {
	q := *p
	return q.word(word)
}

func (p *searchParser) not() (searchTerm, error) {
	negated := false
	for p.word("NOT") {
		negated = !negated
	}
	t, err := p.single()
	if negated {
		return notTerm{t}, err
	}
	return t, err
}

func (p *searchParser) single() (searchTerm, error) {
	p.skip()
	if !strings.HasPrefix(p.rest, "(") {
		return p.term()
	}
	if p.depth++; p.depth > 100 {
		return nil, errors.New("the query is nested too deeply")
	}
	p.rest = p.rest[1:]
	t, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.skip(); !strings.HasPrefix(p.rest, ")") {
		return nil, errors.New("a parenthesis of the query is not closed")
	}
	p.rest, p.depth = p.rest[1:], p.depth-1
	return t, nil
}

// term reads word, "exact", Property=word or Property="exact".
func (p *searchParser) term() (searchTerm, error) {
	t, err := p.plain()
	if err != nil || !strings.HasPrefix(p.rest, "=") {
		return t, err
	}
	p.rest = p.rest[1:]
	of, err := p.plain()
	return wordTerm{property: t.word, word: of.word, exact: of.exact}, err
}

func (p *searchParser) plain() (wordTerm, error) {
	exact := strings.HasPrefix(p.rest, `"`)
	name, err := p.name(" \t\r\n()=\"{}")
	switch {
	case err != nil:
		return wordTerm{}, err
	case name == "" && p.rest == "":
		return wordTerm{}, errors.New("the query ends where a search term is expected")
	case name == "" && !exact:
		return wordTerm{}, fmt.Errorf("unexpected '%s' in the query", p.rest)
	case !exact && slices.Contains([]string{"AND", "OR"}, name):
		return wordTerm{}, fmt.Errorf("unexpected %s in the query", name)
	}
	return wordTerm{word: name, exact: exact}, nil
}
