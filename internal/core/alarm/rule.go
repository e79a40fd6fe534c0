package alarm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Limits of the rule of a composite alarm ("PutCompositeAlarm").
const (
	MaxRuleLength   = 10240 // characters
	MaxRuleAlarms   = 100   // different ones
	MaxRuleElements = 500   // alarms, TRUE, FALSE, and pairs of parentheses
)

// Rule is the expression of a composite alarm:
//
//	rule = and { "OR" and }
//	and  = not { "AND" not }
//	not  = "NOT" not | "(" rule ")" | "TRUE" | "FALSE" | state "(" alarm ")"
//
// state is ALARM, OK or INSUFFICIENT_DATA; alarm is a name or an ARN, in double quotes or bare. In quotes a backslash
// stands before a quote or a backslash; a bare one ends at the parenthesis. AWS's AT_LEAST is refused. A Rule never changes.
type Rule struct {
	root   term
	alarms []string
}

// RuleError says where a rule is wrong; it is the message of a ValidationError.
type RuleError struct {
	Position int // of the character, counted from 1
	Message  string
}

// Error puts the message into CloudWatch's form.
func (e *RuleError) Error() string {
	return fmt.Sprintf("Error in AlarmRule [position %d: %s]", e.Position, e.Message)
}

// ParseRule reads a rule. The error is a *RuleError, or says in AWS's words what is wrong with the text as a whole.
func ParseRule(text string) (*Rule, error) { return parseRule(text) }

// Alarms are the names and ARNs that the rule asks about, each once, in the order of the text.
func (r *Rule) Alarms() []string { return slices.Clone(r.alarms) }

// Eval says whether the rule holds, when state answers what an alarm is, given as in the text. Of an alarm that does not
// exist (false) nothing holds.
func (r *Rule) Eval(state func(nameOrARN string) (model.AlarmValue, bool)) bool {
	return r.root.holds(state)
}

// String writes the rule so that it means the same, with no more parentheses than it needs.
func (r *Rule) String() string { return r.root.text() }

type stateOf func(nameOrARN string) (model.AlarmValue, bool)

// term is a part of a rule.
type term interface {
	holds(stateOf) bool
	text() string
	strength() int // how tightly it binds
}

type (
	anyOf    []term
	allOf    []term
	not      struct{ of term }
	constant bool
	inState  struct {
		want  model.AlarmValue
		alarm string
	}
)

func (t anyOf) holds(state stateOf) bool {
	return slices.ContainsFunc(t, func(of term) bool { return of.holds(state) })
}

func (t allOf) holds(state stateOf) bool {
	return !slices.ContainsFunc(t, func(of term) bool { return !of.holds(state) })
}

func (t not) holds(state stateOf) bool     { return !t.of.holds(state) }
func (t constant) holds(stateOf) bool      { return bool(t) }
func (t inState) holds(state stateOf) bool { v, ok := state(t.alarm); return ok && v == t.want }

func (anyOf) strength() int    { return 0 }
func (allOf) strength() int    { return 1 }
func (not) strength() int      { return 2 }
func (constant) strength() int { return 3 }
func (inState) strength() int  { return 3 }

func (t anyOf) text() string { return joined(t, " OR ", t.strength()) }
func (t allOf) text() string { return joined(t, " AND ", t.strength()) }
func (t not) text() string   { return "NOT " + inside(t.of, t.strength()) }

func (t constant) text() string {
	if t {
		return "TRUE"
	}
	return "FALSE"
}

func (t inState) text() string {
	return string(t.want) + `("` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(t.alarm) + `")`
}

func joined(terms []term, with string, strength int) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = inside(t, strength+1)
	}
	return strings.Join(parts, with)
}

func inside(t term, strength int) string {
	if t.strength() < strength {
		return "(" + t.text() + ")"
	}
	return t.text()
}
