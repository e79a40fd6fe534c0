package expr

import (
	"fmt"
	"slices"
	"strconv"
)

type parser struct {
	lex      lexer
	tok      token // the one that is looked at
	refs     []string
	searches []*Search
	all      bool
}

func (p *parser) parse() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != end {
		return nil, p.expected("an operator or the end")
	}
	return root, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) is(texts ...string) bool {
	return (p.tok.kind == symbol || p.tok.kind == upper) && slices.Contains(texts, p.tok.text)
}

func (p *parser) expected(what string) error {
	if p.tok.kind == end {
		return p.lex.fail(p.tok.at, "Invalid syntax: expected "+what)
	}
	return p.lex.fail(p.tok.at, "Invalid syntax: expected "+what+" instead of '"+p.tok.text+"'")
}

func (p *parser) or() (node, error)  { return p.operators(p.and, "OR", "||") }
func (p *parser) and() (node, error) { return p.operators(p.compare, "AND", "&&") }

func (p *parser) compare() (node, error) {
	return p.operators(p.sum, "==", "!=", "<=", ">=", "<", ">")
}

func (p *parser) sum() (node, error)     { return p.operators(p.product, "+", "-") }
func (p *parser) product() (node, error) { return p.operators(p.minus, "*", "/") }

// operators reads operands with operators of one strength between them, which group from the left.
func (p *parser) operators(operand func() (node, error), names ...string) (node, error) {
	left, err := operand()
	for err == nil && p.is(names...) {
		op := operatorOf(p.tok.text)
		if err = p.advance(); err != nil {
			break
		}
		var right node
		if right, err = operand(); err == nil {
			left = &binary{op, left, right}
		}
	}
	return left, err
}

func (p *parser) minus() (node, error) {
	if !p.is("-") {
		return p.power()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	of, err := p.minus()
	return &negation{of}, err
}

func (p *parser) power() (node, error) {
	base, err := p.single()
	if err != nil || !p.is("^") {
		return base, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	exponent, err := p.minus()
	return &binary{operatorOf("^"), base, exponent}, err
}

func (p *parser) single() (node, error) {
	tok := p.tok
	switch {
	case p.is("("):
		return p.parentheses()
	case p.is("["):
		return p.array()
	case tok.kind == number:
		v, err := strconv.ParseFloat(tok.text, 64)
		if err != nil {
			return nil, p.lex.fail(tok.at, "Invalid syntax: "+tok.text+" is not a number of 64 bits")
		}
		return constant(v), p.advance()
	case tok.kind == id:
		if !slices.Contains(p.refs, tok.text) {
			p.refs = append(p.refs, tok.text)
		}
		return ref(tok.text), p.advance()
	case tok.kind == quoted:
		return text(tok.text), p.advance()
	case tok.kind == upper && !p.is("AND", "OR"):
		return p.word()
	}
	return nil, p.expected("a number, an id, a function, ( or [")
}

func (p *parser) parentheses() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.is(")") {
		return nil, p.expected("an operator or )")
	}
	return n, p.advance()
}

func (p *parser) array() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	members, err := p.list("]")
	return array(members), err
}

// list reads what stands between commas, up to the closing bracket.
func (p *parser) list(closing string) ([]node, error) {
	if p.is(closing) {
		return nil, p.advance()
	}
	var all []node
	for {
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		switch {
		case p.is(closing):
			return all, p.advance()
		case !p.is(","):
			return nil, p.expected("an operator, a comma or " + closing)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// word reads a function with its arguments, or a word that is the argument of one.
func (p *parser) word() (node, error) {
	name := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.is("(") {
		if slices.Contains([]string{"REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM"}, name.text) {
			return keyword(name.text), nil
		}
		return nil, p.lex.fail(name.at, "Invalid syntax: '"+name.text+"' is neither an id, which begin with a small letter, nor a function with arguments")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	args, err := p.list(")")
	if err != nil {
		return nil, err
	}
	return p.call(name, args)
}

func (p *parser) call(name token, args []node) (node, error) {
	f, ok := functionOf(name.text)
	switch {
	case unsupported(name.text):
		return nil, p.lex.fail(name.at, "Function '"+name.text+"' is not supported")
	case !ok:
		return nil, p.lex.fail(name.at, "Function '"+name.text+"' not found")
	case len(args) < f.least || len(args) > f.most:
		return nil, p.lex.fail(name.at, fmt.Sprintf("Function '%s' has %s, not %d", name.text, f.takes(), len(args)))
	}
	c := &call{name: name.text, args: args, run: f.run}
	switch name.text {
	case "SEARCH":
		return p.search(name, c)
	case "METRICS":
		p.all = true
	}
	return c, nil
}

// search reads the query of a SEARCH, which must be written out.
func (p *parser) search(name token, c *call) (node, error) {
	s, err := searchOf(c.args)
	if err != nil {
		return nil, p.lex.fail(name.at, "Function 'SEARCH': "+err.Error())
	}
	p.searches = append(p.searches, s)
	return &searching{s}, nil
}
