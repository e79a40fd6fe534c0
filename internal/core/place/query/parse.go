package query

import (
	"slices"
	"strings"
)

type parser struct {
	lex lexer
	tok token // the one that is looked at
}

func (p *parser) parse() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	root, err := p.query()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != end {
		return nil, p.expected("and, or, or the end of the expression")
	}
	return root, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

// is says whether the token is a symbol, or a bare word, of that text.
func (p *parser) is(texts ...string) bool {
	return (p.tok.kind == symbol || p.tok.kind == word) && slices.Contains(texts, p.tok.text)
}

func (p *parser) expected(what string) *Error {
	found := "the end of the expression"
	if p.tok.kind != end {
		found = quote(p.tok.text)
	}
	return p.lex.fail(p.tok.at, "expected "+what+", found "+found)
}

func (p *parser) query() (node, error) {
	terms, err := p.list(p.and, "or", "||")
	if len(terms) == 1 {
		return terms[0], err
	}
	return or(terms), err
}

func (p *parser) and() (node, error) {
	terms, err := p.list(p.unary, "and", "&&")
	if len(terms) == 1 {
		return terms[0], err
	}
	return and(terms), err
}

// list reads one or more terms with a separator between them.
func (p *parser) list(term func() (node, error), separators ...string) ([]node, error) {
	var terms []node
	for {
		n, err := term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, n)
		if !p.is(separators...) {
			return terms, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) unary() (node, error) {
	switch {
	case p.is("not", "!"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		of, err := p.unary()
		return not{of}, err
	case p.is("("):
		return p.parentheses()
	}
	return p.test()
}

func (p *parser) parentheses() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.query()
	if err != nil {
		return nil, err
	}
	if !p.is(")") {
		return nil, p.expected("and, or, or )")
	}
	return n, p.advance()
}

func (p *parser) test() (node, error) {
	var t test
	if err := p.subject(&t); err != nil {
		return nil, err
	}
	at := p.tok.at
	if err := p.operator(&t); err != nil {
		return nil, err
	}
	if !t.subject.allows(t.op) {
		return nil, p.lex.fail(at, string(t.subject)+" cannot be used with "+t.op.String()+", only with "+t.subject.operators())
	}
	if err := p.arguments(&t); err != nil {
		return nil, err
	}
	return &t, nil
}

func (p *parser) subject(t *test) error {
	name, isAttribute := strings.CutPrefix(p.tok.text, string(attribute))
	switch {
	case p.tok.kind != word:
		return p.expected(subjects)
	case isAttribute && !validName(name):
		return p.lex.fail(p.tok.at, "expected the name of an attribute after attribute:, of 1 to 128 letters, digits and _ - . / \\")
	case isAttribute:
		t.subject, t.name = attribute, name
	case subject(p.tok.text).known():
		t.subject = subject(p.tok.text)
	default:
		return p.expected(subjects)
	}
	return p.advance()
}

func validName(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune(`_-./\`, r)
	})
}

// operator reads an operator. What follows =~ and !~ is left unread.
func (p *parser) operator(t *test) error {
	negated := p.is("!")
	if negated {
		if err := p.advance(); err != nil {
			return err
		}
	}
	op, ok := operatorOf(p.tok, negated)
	if !ok {
		return p.expected("an operator: ==, !=, >, >=, <, <=, in, !in, exists, !exists, =~ or !~")
	}
	t.op = op
	if op == matches || op == notMatches {
		return nil
	}
	return p.advance()
}

func (p *parser) arguments(t *test) error {
	switch t.op {
	case exists, notExists:
		return nil
	case in, notIn:
		return p.argumentList(t)
	case matches, notMatches:
		tok, err := p.lex.pattern()
		if err != nil {
			return err
		}
		p.tok = tok
	}
	return p.argument(t)
}

func (p *parser) argument(t *test) error {
	if p.tok.kind != word && p.tok.kind != quoted {
		return p.expected(t.subject.wants())
	}
	if problem := t.add(p.tok.text); problem != "" {
		return p.lex.fail(p.tok.at, problem)
	}
	return p.advance()
}

func (p *parser) argumentList(t *test) error {
	if !p.is("[") {
		return p.expected("a list: [a, b]")
	}
	for {
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.argument(t); err != nil {
			return err
		}
		if p.is("]") {
			return p.advance()
		}
		if !p.is(",") {
			return p.expected(", or ]")
		}
	}
}
