package routing

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

const (
	// flatMax is how many rules are compared one after the other rather than told apart further.
	flatMax = 4
	// keysMax is how many values of one condition the index takes; a rule with more is looked at whatever the request is.
	keysMax = 32
	// headersMax is how many names of headers the index looks at, the most frequent ones.
	headersMax = 16
)

// node finds those of some rules (by their positions) that a request can match at all: rules are told apart by one part
// of requests after the other, by the whole of it or what it begins or ends with. Methods, source addresses and regular
// expressions tell no rules apart: they are compared.
type node struct {
	first int32   // the lowest position
	flat  []int32 // the rules, in order, if they are not told apart
	*fork         // or how they are
}

type fork struct {
	by      dimension
	exact   map[string]*node // lower case where by has no case
	longest int              // key of exact
	heads   *affixes
	tails   *affixes
	rest    *node // of rules that say nothing usable of this part
}

// dimension is a part of requests.
type dimension struct {
	field string
	name  string // of a header
}

// key is a text that the part has if the request matches, or that it begins or ends with.
type key struct {
	kind int
	text string
}

const (
	whole = iota
	head
	tail
)

func buildIndex(rules []*compiled) *node {
	var positions []int32
	for i, c := range rules {
		if !c.never {
			positions = append(positions, int32(i))
		}
	}
	if len(positions) == 0 {
		return nil
	}
	return buildNode(rules, positions, dimensions(rules))
}

// dimensions lists what may tell rules apart.
func dimensions(rules []*compiled) []dimension {
	names := map[string]int{}
	for _, c := range rules {
		for i := range c.conditions {
			if c.conditions[i].field == model.FieldHeader {
				names[c.conditions[i].name]++
			}
		}
	}
	frequent := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(names[b]-names[a], cmp.Compare(a, b))
	})
	all := []dimension{{field: model.FieldHost}, {field: model.FieldPath}}
	for _, name := range frequent[:min(len(frequent), headersMax)] {
		all = append(all, dimension{model.FieldHeader, name})
	}
	return append(all, dimension{field: model.FieldQuery})
}

func buildNode(rules []*compiled, positions []int32, by []dimension) *node {
	n := &node{first: positions[0]}
	for len(by) > 0 && len(positions) > flatMax {
		if n.fork = split(rules, positions, by[0], by[1:]); n.fork != nil {
			return n
		}
		by = by[1:]
	}
	n.flat = positions
	return n
}

// split tells rules apart by one part of requests; nil if none of them says anything of it.
func split(rules []*compiled, positions []int32, by dimension, then []dimension) *fork {
	var parts [3]map[string][]int32
	for kind := range parts {
		parts[kind] = map[string][]int32{}
	}
	var rest []int32
	for _, i := range positions {
		keys := by.keys(rules[i])
		if len(keys) == 0 {
			rest = append(rest, i)
		}
		for _, k := range keys {
			some := parts[k.kind][k.text]
			if len(some) == 0 || some[len(some)-1] != i {
				parts[k.kind][k.text] = append(some, i)
			}
		}
	}
	if len(rest) == len(positions) {
		return nil
	}
	sub := func(positions []int32) *node { return buildNode(rules, positions, then) }
	f := &fork{by: by, exact: make(map[string]*node, len(parts[whole]))}
	for text, some := range parts[whole] {
		f.exact[text] = sub(some)
		f.longest = max(f.longest, len(text))
	}
	f.heads = buildAffixes(parts[head], sub)
	f.tails = buildAffixes(parts[tail], sub)
	if len(rest) > 0 {
		f.rest = sub(rest)
	}
	return f
}

// keys are those of which the request has one if the rule matches; none if that cannot be said.
func (d dimension) keys(c *compiled) []key {
	for i := range c.conditions {
		cond := &c.conditions[i]
		if cond.field != d.field || cond.name != d.name {
			continue
		}
		values := len(cond.patterns) + len(cond.pairs)
		if len(cond.regex) > 0 || values == 0 || values > keysMax {
			return nil
		}
		return cond.keys(make([]key, 0, values))
	}
	return nil
}

func (c *condition) keys(all []key) []key {
	for i := range c.patterns {
		p := &c.patterns[i]
		if p.exact() {
			all = append(all, key{whole, p.head})
			continue
		}
		k, ok := affix(p.prefix(), p.suffix())
		if !ok {
			return nil
		}
		all = append(all, k)
	}
	for i := range c.pairs {
		k, ok := c.pairs[i].index()
		if !ok {
			return nil
		}
		all = append(all, k)
	}
	return all
}

// affix is the more telling one of what a text begins and ends with.
func affix(prefix, suffix string) (key, bool) {
	if len(prefix) >= len(suffix) {
		return key{head, prefix}, prefix != ""
	}
	return key{tail, reversed(suffix)}, true
}

// index is the key of a pair, which is looked up as key=value.
func (p *pair) index() (key, bool) {
	exactKey, exactValue := !p.anyKey && p.key.exact(), p.value.exact()
	if exactKey && exactValue {
		return key{whole, p.key.head + "=" + p.value.head}, true
	}
	prefix, suffix := "", p.value.suffix()
	if !p.anyKey {
		prefix = p.key.prefix()
	}
	if exactKey {
		prefix += "=" + p.value.prefix()
	}
	if exactValue {
		suffix = "=" + p.value.head
	}
	return affix(prefix, suffix)
}

// affixes are texts that others begin with, in order, so that all that one begins with are found by one search: a text
// is followed by those that begin with it, and each knows the longest one that it begins with itself.
type affixes struct {
	texts   []string
	parents []int32 // -1: none
	nodes   []*node
	longest int
}

func buildAffixes(parts map[string][]int32, sub func([]int32) *node) *affixes {
	if len(parts) == 0 {
		return nil
	}
	a := &affixes{texts: slices.Sorted(maps.Keys(parts))}
	parent := int32(-1)
	for i, text := range a.texts {
		for parent >= 0 && !strings.HasPrefix(text, a.texts[parent]) {
			parent = a.parents[parent]
		}
		a.parents = append(a.parents, parent)
		parent = int32(i)
		a.nodes = append(a.nodes, sub(parts[text]))
		a.longest = max(a.longest, len(text))
	}
	return a
}

// find gives the longest of the texts that b begins with, -1 if there is none.
func (a *affixes) find(b []byte) int32 {
	low, high := 0, len(a.texts)
	for low < high {
		if mid := (low + high) / 2; a.texts[mid] <= string(b) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	i := int32(low) - 1
	for i >= 0 && (len(a.texts[i]) > len(b) || a.texts[i] != string(b[:len(a.texts[i])])) {
		i = a.parents[i]
	}
	return i
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
