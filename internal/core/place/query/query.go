// Package query is the cluster query language: the expressions of memberOf placement constraints and of the filter of
// ListContainerInstances ("Create expressions to define container instances for Amazon ECS tasks").
//
//	query   = and { ( "or" | "||" ) and }
//	and     = unary { ( "and" | "&&" ) unary }
//	unary   = ( "not" | "!" ) unary | "(" query ")" | test
//	test    = subject operator [ argument ]
//	subject = "agentConnected" | "agentVersion" | "attribute:" NAME | "ec2InstanceId" | "registeredAt"
//	        | "runningTasksCount" | "task:group"
//
// Where the developer guide is silent, this package decides:
//   - A string may be bare, or stand in single or double quotes; a quote inside is written twice. A backslash is a
//     backslash, because regular expressions and attribute values contain it.
//   - A pattern must match the whole value. It is a regular expression of Go (RE2), which has all of Java's that is
//     commonly used, but neither look-around nor back-references: those are refused when the expression is parsed.
//   - A negative operator on an attribute (!=, !in, !~) is false on an instance that lacks it, as the guide's examples
//     have it. not(…) is a plain negation.
//   - An instance runs tasks of many groups: task:group == G holds if one of them is G, and != is its negation.
//   - Attributes are compared as numbers by >, >=, < and <= if both sides are numbers, else as text.
package query

import (
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxLength is how many characters an expression may have ("PlacementConstraint").
const MaxLength = 2000

// Resolver answers what an expression asks about one container instance.
type Resolver interface {
	Attribute(name string) (value string, ok bool)
	AgentConnected() bool
	AgentVersion() string
	EC2InstanceID() string
	RegisteredAt() time.Time
	// RunningTasksCount counts the tasks whose desired status is RUNNING.
	RunningTasksCount() int
	// Groups gives the groups of those tasks, in any order.
	Groups() iter.Seq[string]
}

// Expr is a parsed expression. It never changes and may be used from several goroutines.
type Expr struct{ root node }

// Error says where an expression is wrong and what would be right.
type Error struct {
	Position int // of the character, counted from 1
	Message  string
}

// Error gives "position N: message".
func (e *Error) Error() string { return fmt.Sprintf("position %d: %s", e.Position, e.Message) }

// Parse reads an expression. The error is an *Error.
func Parse(text string) (*Expr, error) {
	if !utf8.ValidString(text) {
		return nil, &Error{Position: 1, Message: "the expression is not valid UTF-8"}
	}
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, &Error{MaxLength + 1, fmt.Sprintf("the expression has %d characters; at most %d are allowed", n, MaxLength)}
	}
	p := parser{lex: lexer{src: text}}
	root, err := p.parse()
	if err != nil {
		return nil, err
	}
	return &Expr{root}, nil
}

// Match says whether an instance is one of those that the expression selects.
func (e *Expr) Match(subject Resolver) bool { return e.root.match(subject) }

// Dynamic says whether the answer can change when a task is placed: the expression looks at runningTasksCount or
// task:group.
func (e *Expr) Dynamic() bool { return e.root.dynamic() }

// String writes the expression in one canonical way, which Parse reads as the same expression.
func (e *Expr) String() string {
	var b strings.Builder
	e.root.print(&b)
	return b.String()
}

// node is a part of an expression.
type node interface {
	match(Resolver) bool
	dynamic() bool
	print(*strings.Builder)
}

type (
	or  []node // holds if one does
	and []node // holds if all do
	not struct{ of node }
)

func (n or) match(r Resolver) bool {
	for _, of := range n {
		if of.match(r) {
			return true
		}
	}
	return false
}

func (n and) match(r Resolver) bool {
	for _, of := range n {
		if !of.match(r) {
			return false
		}
	}
	return true
}

func (n not) match(r Resolver) bool { return !n.of.match(r) }

func (n or) dynamic() bool  { return anyDynamic(n) }
func (n and) dynamic() bool { return anyDynamic(n) }
func (n not) dynamic() bool { return n.of.dynamic() }

func anyDynamic(nodes []node) bool {
	for _, n := range nodes {
		if n.dynamic() {
			return true
		}
	}
	return false
}

func (n or) print(b *strings.Builder)  { printAll(b, n, " or ") }
func (n and) print(b *strings.Builder) { printAll(b, n, " and ") }

func (n not) print(b *strings.Builder) {
	b.WriteString("not(")
	n.of.print(b)
	b.WriteByte(')')
}

// printAll puts every compound in parentheses: nobody has to know what binds tighter, and nesting is kept as it was.
func printAll(b *strings.Builder, nodes []node, word string) {
	for i, n := range nodes {
		if i > 0 {
			b.WriteString(word)
		}
		switch n.(type) {
		case or, and:
			b.WriteByte('(')
			n.print(b)
			b.WriteByte(')')
		default:
			n.print(b)
		}
	}
}
