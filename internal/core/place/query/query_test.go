package query_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/place/query"
)

// machine is a container instance as the scripts describe it.
type machine struct {
	name       string
	connected  bool
	version    string
	id         string
	registered time.Time
	groups     []string
	attributes map[string]string
}

func (m machine) Attribute(name string) (string, bool) { v, ok := m.attributes[name]; return v, ok }
func (m machine) AgentConnected() bool                 { return m.connected }
func (m machine) AgentVersion() string                 { return m.version }
func (m machine) EC2InstanceID() string                { return m.id }
func (m machine) RegisteredAt() time.Time              { return m.registered }
func (m machine) RunningTasksCount() int               { return len(m.groups) }
func (m machine) Groups() iter.Seq[string]             { return slices.Values(m.groups) }

// parseMachine reads "NAME key=value …": the keys version, id, at, groups, or else an attribute. "disconnected" is a
// word of its own, and _ stands for a space in a value.
func parseMachine(t *testing.T, line string) machine {
	t.Helper()
	fields := strings.Fields(line)
	m := machine{name: fields[0], connected: true, version: "1.0.0", attributes: map[string]string{}}
	for _, f := range fields[1:] {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "disconnected":
			m.connected = false
		case "version":
			m.version = value
		case "id":
			m.id = value
		case "groups":
			m.groups = strings.Split(value, ",")
		case "at":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				t.Fatal(err)
			}
			m.registered = at
		default:
			m.attributes[key] = strings.ReplaceAll(value, "_", " ")
		}
	}
	return m
}

func TestScripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var machines []machine
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "machines":
				machines = nil
				for line := range strings.Lines(d.Input) {
					machines = append(machines, parseMachine(t, line))
				}
				return fmt.Sprintf("%d machines\n", len(machines))
			case "match": // one expression a line, and whom it selects
				return eachLine(d.Input, func(e *query.Expr) string { return selected(e, machines) })
			case "print":
				return eachLine(d.Input, func(e *query.Expr) string { return e.String() })
			default:
				t.Fatalf("unknown command %s", d.Cmd)
				return ""
			}
		})
	})
}

func eachLine(input string, show func(*query.Expr) string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		e, err := query.Parse(strings.TrimSuffix(line, "\n"))
		if err != nil {
			fmt.Fprintln(&out, err)
			continue
		}
		fmt.Fprintln(&out, show(e))
	}
	return out.String()
}

func selected(e *query.Expr, machines []machine) string {
	names := []string{}
	for _, m := range machines {
		if e.Match(m) {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 {
		return "-> none"
	}
	return "-> " + strings.Join(names, " ")
}

func TestLength(t *testing.T) {
	t.Parallel()
	long := "attribute:x == " + strings.Repeat("é", query.MaxLength-len("attribute:x == "))
	if _, err := query.Parse(long); err != nil {
		t.Errorf("an expression of %d characters: got %v, want no error", utf8.RuneCountInString(long), err)
	}
	_, err := query.Parse(long + "é")
	var syntax *query.Error
	if !errors.As(err, &syntax) || syntax.Position != query.MaxLength+1 {
		t.Errorf("an expression of one more: got %v, want an error at position %d", err, query.MaxLength+1)
	}
	if _, err := query.Parse(strings.Repeat("!(", query.MaxLength/2)); err == nil {
		t.Error("an expression of parentheses alone: got no error")
	}
}

func TestDynamic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"attribute:x == 1":       false,
		"agentConnected == true": false,
		"runningTasksCount < 3":  true,
		"not(task:group == db)":  true,
		"attribute:x == 1 or (attribute:y exists and !(task:group exists))": true,
	} {
		e, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Dynamic(); got != want {
			t.Errorf("%s: Dynamic() = %t, want %t", text, got, want)
		}
	}
}

// expression draws a valid expression, of compounds nested at most so deep.
func expression(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth == 0 || rapid.Bool().Draw(t, "leaf") {
			value := rapid.SampledFrom([]string{"a", "b", "'a b'", `"it's"`, "t2.small", "10", "9"}).Draw(t, "value")
			op := rapid.SampledFrom([]string{"==", "!=", "<", ">=", "equals", "=~"}).Draw(t, "op")
			return "attribute:x" + strconv.Itoa(rapid.IntRange(0, 2).Draw(t, "name")) + " " + op + " " + value
		}
		left, right := expression(depth-1).Draw(t, "left"), expression(depth-1).Draw(t, "right")
		form := rapid.SampledFrom([]string{"%s and %s", "%s || %s", "!(%s) && %s", "(%s or %s)", "not(%s and (%s))"}).Draw(t, "form")
		return fmt.Sprintf(form, left, right)
	})
}

func TestPrintMeansTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := expression(4).Draw(t, "text")
		e, err := query.Parse(text)
		if len(text) > query.MaxLength {
			return
		}
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		again, err := query.Parse(e.String())
		if err != nil {
			t.Fatalf("Parse(%q) of what was printed: %v", e, err)
		}
		values := rapid.MapOf(rapid.SampledFrom([]string{"x0", "x1", "x2"}), rapid.SampledFrom([]string{"a", "b", "a b", "9", "10"}))
		m := machine{attributes: values.Draw(t, "attributes")}
		if got, want := again.Match(m), e.Match(m); got != want {
			t.Errorf("%q matches %v: %t, but printed as %q: %t", text, m.attributes, want, again, got)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
		"attribute:ecs.availability-zone in [us-east-1a, 'us-east-1b']",
		"not(task:group == database) || !(runningTasksCount >= 3 && agentConnected not_equals true)",
		"registeredAt < 2018-02-13T22:28:28+02:00 or agentVersion > v1.14.5-rc1", "attribute:x !exists",
		`attribute:a =~ "[a-z]{1,3}|(x''y)"`, "ec2InstanceId !~ i-.*",
	} {
		f.Add(seed)
	}
	m := machine{version: "1.2", groups: []string{"db"}, attributes: map[string]string{"a": "1", "x": "", "ecs.instance-type": "g2.large"}}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := query.Parse(text)
		if err != nil {
			if e != nil || err.Error() == "" {
				t.Errorf("Parse(%q) gives %v and the error %q", text, e, err)
			}
			return
		}
		printed := e.String()
		if utf8.RuneCountInString(printed) > query.MaxLength { // spaces are put around operators
			return
		}
		again, err := query.Parse(printed)
		if err != nil {
			t.Fatalf("Parse(%q) prints %q, which is refused: %v", text, printed, err)
		}
		if got := again.String(); got != printed {
			t.Errorf("Parse(%q) prints %q, then %q", text, printed, got)
		}
		if e.Match(m) != again.Match(m) {
			t.Errorf("%q and %q select different machines", text, printed)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	e, err := query.Parse("attribute:ecs.availability-zone in [us-east-1a, us-east-1b] and not(attribute:stack == prod)")
	if err != nil {
		b.Fatal(err)
	}
	m := machine{attributes: map[string]string{"ecs.availability-zone": "us-east-1b", "stack": "test"}}
	b.ReportAllocs()
	for b.Loop() {
		if !e.Match(m) {
			b.Fatal("no match")
		}
	}
}
