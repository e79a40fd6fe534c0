package alarm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/maitred/maitred/internal/model"
)

const (
	wantsTerm = "must be: '(', 'NOT', TRUE or FALSE, ALARM, OK, or INSUFFICIENT_DATA"
	wantsMore = "must be: AND, OR, or the end of the rule"
)

// ruleParser reads a rule by recursive descent. pos is an offset in bytes.
type ruleParser struct {
	src      string
	pos      int
	elements int
	alarms   []string
}

func parseRule(text string) (*Rule, error) {
	switch {
	case !utf8.ValidString(text):
		return nil, errors.New("AlarmRule is not valid UTF-8")
	case text == "" || strings.TrimSpace(text) != text:
		return nil, errors.New("AlarmRule must not contain leading or trailing whitespace or be null")
	case utf8.RuneCountInString(text) > MaxRuleLength:
		return nil, fmt.Errorf("1 validation error detected: Value at 'alarmRule' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", MaxRuleLength)
	}
	p := &ruleParser{src: text}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.peek() != "" {
		return nil, p.unsupported(wantsMore)
	}
	return &Rule{root: root, alarms: p.alarms}, nil
}

func (p *ruleParser) or() (term, error) {
	terms, err := p.list(p.and, "OR")
	if len(terms) == 1 {
		return terms[0], err
	}
	return anyOf(terms), err
}

func (p *ruleParser) and() (term, error) {
	terms, err := p.list(p.unary, "AND")
	if len(terms) == 1 {
		return terms[0], err
	}
	return allOf(terms), err
}

// list reads one or more terms with an operator between them.
func (p *ruleParser) list(read func() (term, error), operator string) ([]term, error) {
	var terms []term
	for {
		t, err := read()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if !p.take(operator) {
			return terms, nil
		}
	}
}

func (p *ruleParser) unary() (term, error) {
	negated := false
	for p.take("NOT") { // no recursion: a rule has room for thousands of them
		negated = !negated
	}
	t, err := p.single()
	if negated && err == nil {
		return not{t}, nil
	}
	return t, err
}

func (p *ruleParser) single() (term, error) {
	word := p.peek()
	if err := p.element(word); err != nil {
		return nil, err
	}
	switch {
	case word == "(":
		return p.parentheses()
	case strings.EqualFold(word, "TRUE"), strings.EqualFold(word, "FALSE"): // the guide writes FALSE, False and false
		p.take(word)
		return constant(strings.EqualFold(word, "TRUE")), nil
	case word == "AT_LEAST":
		return nil, p.fail("AT_LEAST is not supported")
	}
	switch want := model.AlarmValue(word); want {
	case model.AlarmAlarm, model.AlarmOK, model.AlarmInsufficient:
		p.take(word)
		return p.state(want)
	}
	return nil, p.unsupported(wantsTerm)
}

// element counts what begins with a word.
func (p *ruleParser) element(word string) error {
	if p.elements++; word != "" && p.elements > MaxRuleElements {
		return p.fail(fmt.Sprintf("The rule has more than %d elements", MaxRuleElements))
	}
	return nil
}

func (p *ruleParser) parentheses() (term, error) {
	p.take("(")
	t, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, p.unsupported("must be: AND, OR, or ')'")
	}
	return t, nil
}

func (p *ruleParser) state(want model.AlarmValue) (term, error) {
	if !p.take("(") {
		return nil, p.unsupported("must be: '(' and the name or ARN of an alarm")
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, p.unsupported("must be: ')' after the name or ARN of an alarm")
	}
	return inState{want, name}, nil
}

// name reads the name or ARN of an alarm.
func (p *ruleParser) name() (string, error) {
	p.space()
	at := p.pos
	var name, problem string
	if strings.HasPrefix(p.src[at:], `"`) {
		name, problem = p.quoted()
	} else {
		name = p.bare()
	}
	switch {
	case problem != "":
		return "", p.failAt(at, problem)
	case name == "":
		return "", p.failAt(at, "Expected the name or ARN of an alarm")
	}
	if !slices.Contains(p.alarms, name) {
		p.alarms = append(p.alarms, name)
	}
	if len(p.alarms) > MaxRuleAlarms {
		return "", p.failAt(at, fmt.Sprintf("The rule has more than %d alarms", MaxRuleAlarms))
	}
	return name, nil
}

func (p *ruleParser) bare() string {
	n := strings.IndexAny(p.src[p.pos:], `()"`)
	if n < 0 {
		n = len(p.src) - p.pos
	}
	name := strings.TrimSpace(p.src[p.pos : p.pos+n])
	p.pos += n
	return name
}

func (p *ruleParser) quoted() (text, problem string) {
	at := p.pos
	var name strings.Builder
	for i := at + 1; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '"':
			p.pos = i + 1
			return name.String(), ""
		case c == '\\' && i+1 < len(p.src) && (p.src[i+1] == '"' || p.src[i+1] == '\\'):
			i++
			name.WriteByte(p.src[i])
		default:
			name.WriteByte(c)
		}
	}
	return "", "Expected the closing quote of the name that begins here"
}

// peek gives the next token, "" at the end: a parenthesis, a word, or another character by itself.
func (p *ruleParser) peek() string {
	p.space()
	rest := p.src[p.pos:]
	n := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	switch {
	case n < 0:
		return rest
	case n > 0:
		return rest[:n]
	}
	_, size := utf8.DecodeRuneInString(rest)
	return rest[:size]
}

// take reads a token if it is the one.
func (p *ruleParser) take(token string) bool {
	if p.peek() != token {
		return false
	}
	p.pos += len(token)
	return true
}

func (p *ruleParser) space() {
	p.pos = len(p.src) - len(strings.TrimLeftFunc(p.src[p.pos:], unicode.IsSpace))
}

func (p *ruleParser) unsupported(wants string) error {
	if token := p.peek(); token != "" {
		return p.fail(fmt.Sprintf("Unsupported token '%s', %s", token, wants))
	}
	return p.fail("Unexpected end, " + wants)
}

func (p *ruleParser) fail(message string) error { return p.failAt(p.pos, message) }

func (p *ruleParser) failAt(at int, message string) error {
	return &RuleError{utf8.RuneCountInString(p.src[:at]) + 1, message}
}
