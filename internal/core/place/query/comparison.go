package query

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// subject is what a test asks about.
type subject string

const (
	agentConnected    subject = "agentConnected"
	agentVersion      subject = "agentVersion"
	attribute         subject = "attribute:" // and a name
	ec2InstanceID     subject = "ec2InstanceId"
	registeredAt      subject = "registeredAt"
	runningTasksCount subject = "runningTasksCount"
	taskGroup         subject = "task:group"
)

const subjects = "attribute:NAME, task:group, agentConnected, agentVersion, ec2InstanceId, registeredAt, runningTasksCount, not or ("

func (s subject) known() bool {
	switch s {
	case agentConnected, agentVersion, ec2InstanceID, registeredAt, runningTasksCount, taskGroup:
		return true
	}
	return false
}

// operator is what a test does.
type operator int

const (
	equals operator = iota
	notEquals
	greater
	greaterEqual
	less
	lessEqual
	in
	notIn
	matches
	notMatches
	exists
	notExists
)

func (o operator) String() string {
	return [...]string{"==", "!=", ">", ">=", "<", "<=", "in", "!in", "=~", "!~", "exists", "!exists"}[o]
}

// operatorOf recognises an operator by its symbol or name. negated says that a lone ! stood before it.
func operatorOf(t token, negated bool) (operator, bool) {
	if t.kind != symbol && t.kind != word {
		return 0, false
	}
	if negated {
		switch t.text {
		case "in":
			return notIn, true
		case "exists":
			return notExists, true
		}
		return 0, false
	}
	names := [...][2]string{
		{"==", "equals"},
		{"!=", "not_equals"},
		{">", "greater_than"},
		{">=", "greater_than_equal"},
		{"<", "less_than"},
		{"<=", "less_than_equal"},
		{"in", "in"},
		{"not_in", "not_in"},
		{"=~", "matches"},
		{"!~", "not_matches"},
		{"exists", "exists"},
		{"not_exists", "not_exists"},
	}
	for i, n := range names {
		if t.text == n[0] || t.text == n[1] {
			return operator(i), true
		}
	}
	return 0, false
}

// allows says which operators a subject has in the developer guide.
func (s subject) allows(o operator) bool {
	switch s {
	case attribute:
		return true
	case agentVersion, registeredAt, runningTasksCount:
		return o <= lessEqual
	case taskGroup:
		return o <= notEquals || o >= in
	default:
		return o <= notEquals || o >= in && o <= notMatches
	}
}

func (s subject) operators() string {
	var names []string
	for o := equals; o <= notExists; o++ {
		if s.allows(o) {
			names = append(names, o.String())
		}
	}
	return strings.Join(names, ", ")
}

// wants describes the argument of a subject.
func (s subject) wants() string {
	switch s {
	case agentConnected:
		return "true or false"
	case agentVersion:
		return "a version such as 1.14.5"
	case registeredAt:
		return "a date such as 2018-06-18 or 2018-06-18T22:28:28Z"
	case runningTasksCount:
		return "a whole number"
	}
	return "a string, bare or in quotes"
}

// test is one comparison. Its arguments are read once, when it is parsed.
type test struct {
	subject subject
	name    string // of the attribute
	op      operator
	args    []string
	pattern *regexp.Regexp // of =~ and !~
	when    time.Time      // of registeredAt
	count   int            // of runningTasksCount
}

// add takes an argument, or says what is wrong with it.
func (t *test) add(arg string) (problem string) {
	wrong := "expected " + t.subject.wants() + ", found " + quote(arg)
	if t.op == matches || t.op == notMatches {
		return t.addPattern(arg)
	}
	t.args = append(t.args, arg)
	var err error
	switch t.subject {
	case agentConnected:
		if arg != "true" && arg != "false" {
			return wrong
		}
	case agentVersion:
		if !versionForm.MatchString(arg) {
			return wrong
		}
	case registeredAt:
		t.when, err = parseTime(arg)
	case runningTasksCount:
		t.count, err = strconv.Atoi(arg)
	}
	if err != nil {
		return wrong
	}
	return ""
}

func (t *test) addPattern(arg string) (problem string) {
	if _, err := regexp.Compile(arg); err != nil { // as written: a ) must not close what is put around it
		return "expected a regular expression (RE2: no look-around, no back-references); " + err.Error()
	}
	pattern, err := regexp.Compile(`\A(?:` + arg + `)\z`)
	if err != nil {
		return "expected a smaller regular expression; " + err.Error()
	}
	t.args, t.pattern = append(t.args, arg), pattern
	return ""
}

// parseTime reads the forms of a date of the developer guide; without a zone it is UTC.
func parseTime(s string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, s)
	for _, form := range []string{"2006-01-02T15:04:05", time.DateOnly} {
		if err != nil {
			at, err = time.Parse(form, s)
		}
	}
	return at, err
}

func (t *test) dynamic() bool { return t.subject == runningTasksCount || t.subject == taskGroup }

func (t *test) match(r Resolver) bool {
	switch t.subject {
	case attribute:
		value, ok := r.Attribute(t.name)
		switch t.op {
		case exists:
			return ok
		case notExists:
			return !ok
		}
		return ok && t.text(value, compareText)
	case agentConnected:
		return t.text(strconv.FormatBool(r.AgentConnected()), strings.Compare)
	case agentVersion:
		return t.ordered(compareVersions(r.AgentVersion(), t.args[0]))
	case ec2InstanceID:
		return t.text(r.EC2InstanceID(), strings.Compare)
	case registeredAt: // dates are written to the second
		return t.ordered(r.RegisteredAt().Truncate(time.Second).Compare(t.when))
	case runningTasksCount:
		return t.ordered(cmp.Compare(r.RunningTasksCount(), t.count))
	default:
		return t.groups(r)
	}
}

// groups tests a set of values: a positive operator wants one that fits, a negative one is its negation.
func (t *test) groups(r Resolver) bool {
	positive, negated := *t, false
	switch t.op {
	case notEquals, notIn, notMatches, notExists:
		positive.op, negated = t.op-1, true
	}
	for group := range r.Groups() {
		if positive.op == exists || positive.text(group, strings.Compare) {
			return !negated
		}
	}
	return negated
}

func (t *test) text(value string, compare func(a, b string) int) bool {
	switch t.op {
	case equals:
		return value == t.args[0]
	case notEquals:
		return value != t.args[0]
	case in:
		return slices.Contains(t.args, value)
	case notIn:
		return !slices.Contains(t.args, value)
	case matches:
		return t.pattern.MatchString(value)
	case notMatches:
		return !t.pattern.MatchString(value)
	}
	return t.ordered(compare(value, t.args[0]))
}

// ordered decides by how the value compares with the argument.
func (t *test) ordered(c int) bool {
	switch t.op {
	case equals:
		return c == 0
	case notEquals:
		return c != 0
	case greater:
		return c > 0
	case greaterEqual:
		return c >= 0
	case less:
		return c < 0
	default:
		return c <= 0
	}
}

func (t *test) print(b *strings.Builder) {
	b.WriteString(string(t.subject) + t.name + " " + t.op.String())
	args := make([]string, len(t.args))
	for i, a := range t.args {
		args[i] = argument(a)
	}
	switch t.op {
	case exists, notExists:
	case in, notIn:
		b.WriteString(" [" + strings.Join(args, ", ") + "]")
	default:
		b.WriteString(" " + args[0])
	}
}
