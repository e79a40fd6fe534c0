package routing_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// story is what a script of testdata/stories has told so far.
type story struct {
	*world

	t     *testing.T
	table *routing.Table
}

// TestStories runs scripts. A script tells of a listener's rules ("rules"), one a line: the priority, conditions, and
// after the arrow the action and transforms; it sends requests and sees what happens to them ("requests"). It tells of a
// target group ("group"), sets its targets ("targets": all of them) and sees which of them get requests, and asks which
// share each gets ("shares").
//
// A condition is FIELD=VALUE|VALUE, or FIELD~REGEX; a space is written as ␣, a tab as ␉.
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{t: t, world: newWorld()}
		s.listen(listenerARN, fixed(404))
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.run(d)
		})
	})
}

func (s *story) run(d *datadriven.TestData) string {
	switch d.Cmd {
	case "rules":
		s.rules[listenerARN] = nil
		for line := range strings.Lines(d.Input) {
			s.addRule(strings.TrimSpace(line))
		}
		s.table = routing.Compile(s.table, s.input())
		return s.faults()
	case "requests":
		var out strings.Builder
		for line := range strings.Lines(d.Input) {
			fmt.Fprintln(&out, s.send(strings.TrimSpace(line)))
		}
		return out.String()
	case "group":
		attributes := map[string]string{}
		for _, a := range d.CmdArgs[1:] {
			attributes[attribute(a.Key)] = a.Vals[0]
		}
		s.group(d.CmdArgs[0].Key, attributes)
		s.listen(listenerARN, forward(d.CmdArgs[0].Key))
		return ""
	case "targets":
		return s.setTargets(d)
	case "shares":
		return s.shares(d)
	}
	s.t.Fatalf("unknown command %s", d.Cmd)
	return ""
}

func attribute(short string) string {
	switch short {
	case "count":
		return model.AttributeMinHealthyCount
	case "percent":
		return model.AttributeMinHealthyPercent
	case "slow":
		return model.AttributeSlowStart
	}
	return short
}

var blanks = strings.NewReplacer("␣", " ", "␉", "\t")

func (s *story) addRule(line string) {
	left, right, _ := strings.Cut(line, " => ")
	fields := strings.Fields(left)
	r := model.Rule{Priority: atoi(s.t, fields[0])}
	for _, f := range fields[1:] {
		r.Conditions = append(r.Conditions, condition(f))
	}
	parts := strings.Split(right, " ; ")
	r.Actions = []model.Action{s.action(strings.Fields(parts[0]))}
	for _, p := range parts[1:] {
		f := strings.Fields(p)
		kind := map[string]string{"host": "host-header-rewrite", "url": "url-rewrite"}[f[0]]
		r.Transforms = append(r.Transforms, model.Transform{Type: cmp.Or(kind, f[0]), Regex: f[1], Replace: strings.Join(f[2:], " ")})
	}
	s.rule(listenerARN, r)
}

func condition(text string) model.Condition {
	at := strings.IndexAny(text, "=~")
	var c model.Condition
	c.Field, c.Name, _ = strings.Cut(text[:at], ":")
	if long, ok := map[string]string{
		"host": model.FieldHost, "path": model.FieldPath, "header": model.FieldHeader, "method": model.FieldMethod,
		"query": model.FieldQuery, "source": model.FieldSourceIP,
	}[c.Field]; ok {
		c.Field = long
	}
	values := strings.Split(blanks.Replace(text[at+1:]), "|")
	switch {
	case text[at] == '~':
		c.Regex = []string{blanks.Replace(text[at+1:])}
	case c.Field == model.FieldQuery:
		for _, v := range values {
			k, v, ok := strings.Cut(v, ":")
			if !ok {
				k, v = "", k
			}
			c.Query = append(c.Query, model.KeyValue{Key: k, Value: v})
		}
	default:
		c.Values = values
	}
	return c
}

func (s *story) action(words []string) model.Action {
	switch words[0] {
	case "forward":
		a := forward()
		for _, w := range words[1:] {
			name, weight, _ := strings.Cut(w, ":")
			a.Forward.Groups = append(a.Forward.Groups, model.WeightedGroup{Group: groupARN(name), Weight: atoi(s.t, cmp.Or(weight, "1"))})
		}
		return a
	case "redirect":
		r := &model.Redirect{Protocol: "#{protocol}", Host: "#{host}", Port: "#{port}", Path: "/#{path}", Query: "#{query}", Status: 301}
		for _, w := range words[1:] {
			k, v, _ := strings.Cut(w, "=")
			*map[string]*string{"proto": &r.Protocol, "host": &r.Host, "port": &r.Port, "path": &r.Path, "query": &r.Query}[k] = v
		}
		return model.Action{Type: model.ActionRedirect, Redirect: r}
	}
	return fixed(atoi(s.t, words[0]))
}

// faults tells of rules that could not be compiled.
func (s *story) faults() string {
	var out strings.Builder
	for _, r := range s.table.Listeners[listenerARN].Rules {
		if r.Err != nil {
			fmt.Fprintf(&out, "%d: %v\n", r.Priority, r.Err)
		}
	}
	return out.String()
}

// send tells what happens to a request: METHOD URL [from=ADDRESS] [HEADER=VALUE …].
func (s *story) send(line string) string {
	words := strings.Fields(line)
	header := map[string][]string{}
	from := "203.0.113.9"
	for _, w := range words[2:] {
		k, v, _ := strings.Cut(w, "=")
		if k == "from" {
			from = v
			continue
		}
		header[k] = append(header[k], blanks.Replace(v))
	}
	req := request(words[0], blanks.Replace(words[1]), header)
	req.Source = netip.MustParseAddr(from)
	r := s.table.Listeners[listenerARN].Match(req)
	name := "default"
	if r.Priority > 0 {
		name = strconv.Itoa(r.Priority)
	}
	return name + ": " + s.outcome(r, req, words[1])
}

func (s *story) outcome(r *routing.Rule, req *routing.Request, url string) string {
	switch r.Action.Type {
	case model.ActionFixed:
		return strconv.Itoa(r.Action.Fixed.Status)
	case model.ActionRedirect:
		scheme, _, _ := strings.Cut(url, "://")
		location, err := routing.Location(r.Action.Redirect, routing.Origin{
			Scheme: scheme, Host: req.Host, Port: map[string]string{"http": "80", "https": "443"}[scheme], Path: req.Path, Query: req.Query,
		})
		if err != nil {
			return "error: " + err.Error()
		}
		return location
	}
	var names []string
	for _, g := range r.Action.Forward.Groups {
		names = append(names, strings.Split(g.Group, "/")[1])
	}
	if !r.Rewrites() {
		return strings.Join(names, ",")
	}
	uri := req.Path
	if req.Query != "" {
		uri += "?" + req.Query
	}
	host, uri, err := routing.Rewrite(r, req.Host, uri)
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%s gets %s %s", strings.Join(names, ","), host, uri)
}

// setTargets reads lines ID STATE [since=SECOND] [registered=SECOND] [draining] and tells who gets requests.
func (s *story) setTargets(d *datadriven.TestData) string {
	group := groupARN(d.CmdArgs[0].Key)
	s.targets[group] = nil
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		t := model.Target{Group: group, ID: words[0], Port: 80, RegisteredAt: epoch}
		h := routing.Health{State: model.TargetState(words[1]), Since: epoch}
		for _, w := range words[2:] {
			k, v, _ := strings.Cut(w, "=")
			switch k {
			case "since":
				h.Since = second(atoi(s.t, v))
			case "registered":
				t.RegisteredAt = second(atoi(s.t, v))
			case "draining":
				t.DrainAt = second(1)
			}
		}
		s.target(t, h)
	}
	s.table = routing.Compile(s.table, s.input())
	g := s.table.Groups[group]
	var out strings.Builder
	for _, t := range g.Eligible {
		fmt.Fprintf(&out, "%s", t.Record.ID)
		if t.SlowStart {
			out.WriteString(" slowly")
		}
		out.WriteString("\n")
	}
	switch {
	case len(g.Eligible) == 0:
		out.WriteString("503\n")
	case g.FailOpen:
		out.WriteString("(fail open)\n")
	}
	return out.String()
}

// shares sends many requests at a second, and tells how many each target got.
func (s *story) shares(d *datadriven.TestData) string {
	var requests, at int
	d.ScanArgs(s.t, "requests", &requests)
	d.MaybeScanArgs(s.t, "at", &at)
	g := s.table.Groups[groupARN(d.CmdArgs[0].Key)]
	got := map[string]int{}
	for i := range requests {
		got[routing.RoundRobin(g, uint64(i), second(at), nil).Record.ID]++
	}
	var out strings.Builder
	for _, t := range g.Eligible {
		fmt.Fprintf(&out, "%s: %d\n", t.Record.ID, got[t.Record.ID])
	}
	return out.String()
}

func atoi(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
