package routing

import (
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// lookup gives the position of the first rule that matches, or best if none before it does. n may be nil.
func (n *node) lookup(rules []*compiled, s *subject, best int) int {
	for n != nil && int(n.first) < best {
		if n.fork == nil {
			return n.scan(rules, s, best)
		}
		switch n.by.field {
		case model.FieldHost:
			best = n.among(rules, s, word{text: s.host, fold: true}, best)
		case model.FieldPath:
			best = n.among(rules, s, word{text: s.path}, best)
		case model.FieldHeader:
			best = n.header(rules, s, best)
		case model.FieldQuery:
			best = n.query(rules, s, best)
		}
		n = n.rest
	}
	return best
}

func (n *node) scan(rules []*compiled, s *subject, best int) int {
	for _, i := range n.flat {
		if int(i) >= best {
			break
		}
		if rules[i].matches(s) {
			return int(i)
		}
	}
	return best
}

func (n *node) header(rules []*compiled, s *subject, best int) int {
	if s.req.Header == nil {
		return best
	}
	for _, v := range s.req.Header(n.by.name) {
		best = n.among(rules, s, word{text: visible(v), fold: true}, best)
	}
	return best
}

func (n *node) query(rules []*compiled, s *subject, best int) int {
	for query := s.query; query != ""; {
		var text string
		text, query, _ = strings.Cut(query, "&")
		if text == "" {
			continue
		}
		w := word{text: text, fold: true}
		if strings.IndexByte(text, '=') < 0 {
			w.more = "="
		}
		best = n.among(rules, s, w, best)
	}
	return best
}

// among looks in the parts for which a word qualifies.
func (n *node) among(rules []*compiled, s *subject, w word, best int) int {
	var scratch [128]byte // texts of rules are not longer, and of words only that much counts; or it is allocated
	if size := w.size(); size <= n.longest {
		best = n.exact[string(w.start(scratch[:0], size))].lookup(rules, s, best)
	}
	if a := n.heads; a != nil {
		for i := a.find(w.start(scratch[:0], a.longest)); i >= 0; i = a.parents[i] {
			best = a.nodes[i].lookup(rules, s, best)
		}
	}
	if a := n.tails; a != nil {
		for i := a.find(w.end(scratch[:0], a.longest)); i >= 0; i = a.parents[i] {
			best = a.nodes[i].lookup(rules, s, best)
		}
	}
	return best
}

// word is a part of a request: text and then more.
type word struct {
	text, more string
	fold       bool // it has no case
}

func (w *word) size() int { return len(w.text) + len(w.more) }

func (w *word) at(i int) byte {
	if i >= len(w.text) {
		return w.more[i-len(w.text)]
	}
	if w.fold {
		return lower(w.text[i])
	}
	return w.text[i]
}

// start appends the first n characters, in lower case if the word has no case.
func (w *word) start(b []byte, n int) []byte {
	for i := range min(n, w.size()) {
		b = append(b, w.at(i))
	}
	return b
}

// end appends the last n characters backwards.
func (w *word) end(b []byte, n int) []byte {
	size := w.size()
	for i := range min(n, size) {
		b = append(b, w.at(size-1-i))
	}
	return b
}
