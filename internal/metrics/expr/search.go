package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// MaxSearchLength is how many characters the query of a search may have.
const MaxSearchLength = 1024

// Search is what a SEARCH asks for ("CloudWatch search expression syntax"). Whoever resolves it reads the metrics that
// match, with the statistic and the period.
type Search struct {
	Query string // as it was written
	// Namespace and Dimensions are the schema: "" is any. With Dimensions a metric has exactly these; without it may have any.
	Namespace  string
	Dimensions []string
	Statistic  string
	Period     time.Duration // 0: not given, that of the request

	terms searchTerm // nil: everything in the schema
}

// Match says whether a metric is one of those that are searched.
func (s *Search) Match(m model.Metric) bool {
	if s.Namespace != "" && s.Namespace != m.Namespace {
		return false
	}
	if len(s.Dimensions) > 0 && !sameNames(s.Dimensions, m.Dimensions) {
		return false
	}
	return s.terms == nil || s.terms.match(m)
}

func sameNames(names []string, dimensions []model.Dimension) bool {
	if len(names) != len(dimensions) {
		return false
	}
	return !slices.ContainsFunc(dimensions, func(d model.Dimension) bool { return !slices.Contains(names, d.Name) })
}

// searchOf makes a search of the arguments of SEARCH.
func searchOf(args []node) (*Search, error) {
	query, ok := args[0].(text)
	if !ok {
		return nil, errors.New("argument 1 must be a string, the query")
	}
	statistic, ok := args[1].(text)
	if !ok || statistic == "" {
		return nil, errors.New("argument 2 must be a string, the statistic")
	}
	s := &Search{Query: string(query), Statistic: string(statistic)}
	if len(args) == 3 {
		seconds, ok := args[2].(constant)
		if !ok || seconds < 1 || seconds > 86400*365 || seconds != constant(int(seconds)) {
			return nil, errors.New("argument 3 must be the period, in seconds")
		}
		s.Period = time.Duration(seconds) * time.Second
	}
	if err := s.parse(); err != nil {
		return nil, err
	}
	return s, nil
}

// parse reads the query: a schema in braces, search terms, or both.
func (s *Search) parse() error {
	if n := len([]rune(s.Query)); n > MaxSearchLength {
		return fmt.Errorf("the query has %d characters, of at most %d", n, MaxSearchLength)
	}
	p := &searchParser{rest: strings.TrimSpace(s.Query)}
	if err := p.schema(s); err != nil {
		return err
	}
	if p.skip(); p.rest == "" {
		if s.Namespace == "" {
			return errors.New("the query needs a schema in braces or a search term")
		}
		return nil
	}
	terms, err := p.or()
	if err != nil {
		return err
	}
	if p.rest != "" {
		return fmt.Errorf("unexpected '%s' in the query", p.rest)
	}
	s.terms = terms
	return nil
}

// searchTerm is a part of what is searched.
type searchTerm interface {
	match(m model.Metric) bool
}

type (
	anyTerm []searchTerm
	allTerm []searchTerm
	notTerm struct{ of searchTerm }
	// wordTerm is found in a property, or in any if it is "": the namespace, the metric's name, a dimension's name or value.
	wordTerm struct {
		property, word string
		exact          bool
	}
)

func (t anyTerm) match(m model.Metric) bool {
	return slices.ContainsFunc(t, func(of searchTerm) bool { return of.match(m) })
}

func (t allTerm) match(m model.Metric) bool {
	return !slices.ContainsFunc(t, func(of searchTerm) bool { return !of.match(m) })
}

func (t notTerm) match(m model.Metric) bool { return !t.of.match(m) }

func (t wordTerm) match(m model.Metric) bool {
	switch t.property {
	case "Namespace":
		return t.found(m.Namespace)
	case "MetricName":
		return t.found(m.Name)
	case "":
		if t.found(m.Namespace) || t.found(m.Name) {
			return true
		}
	}
	return slices.ContainsFunc(m.Dimensions, func(d model.Dimension) bool {
		if t.property == "" {
			return t.found(d.Name) || t.found(d.Value)
		}
		return d.Name == t.property && t.found(d.Value)
	})
}

func (t wordTerm) found(in string) bool {
	if t.exact {
		return in == t.word
	}
	return partial(t.word, in)
}
