package routing

import "strings"

// one stands for any one character in the text of a pattern. It is a control character, and those are in no text that
// rules look at.
const one = 0

// pattern is a compiled value of a condition: * stands for any number of characters, ? for exactly one, and it has to
// match the whole text ("Condition types for listener rules"). Characters are bytes: rules look at ASCII.
type pattern struct {
	fold   bool     // upper and lower case are the same; the pattern's own text is lower case
	star   bool     // there is at least one *
	head   string   // before the first *, or all of it
	middle []string // between two *, without empty ones
	tail   string   // after the last *
}

// compilePattern compiles a value. With escapes, \* and \? stand for the characters themselves.
func compilePattern(text string, fold, escapes bool) pattern {
	p := pattern{fold: fold}
	var part []byte
	var parts []string
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case escapes && c == '\\' && i+1 < len(text) && (text[i+1] == '*' || text[i+1] == '?'):
			i++
			part = append(part, text[i])
		case c == '*':
			p.star = true
			parts = append(parts, string(part))
			part = part[:0]
		case c == '?':
			part = append(part, one)
		case control(c):
		case fold:
			part = append(part, lower(c))
		default:
			part = append(part, c)
		}
	}
	parts = append(parts, string(part))
	p.head = parts[0]
	if !p.star {
		return p
	}
	p.tail = parts[len(parts)-1]
	for _, m := range parts[1 : len(parts)-1] {
		if m != "" {
			p.middle = append(p.middle, m)
		}
	}
	return p
}

func (p *pattern) matches(s string) bool {
	if !p.star {
		return len(s) == len(p.head) && p.at(s, p.head)
	}
	if len(s) < len(p.head)+len(p.tail) || !p.at(s, p.head) || !p.at(s[len(s)-len(p.tail):], p.tail) {
		return false
	}
	s = s[len(p.head) : len(s)-len(p.tail)]
	for _, m := range p.middle {
		i := p.find(s, m)
		if i < 0 {
			return false
		}
		s = s[i+len(m):]
	}
	return true
}

// at says whether s, which is long enough, begins with part.
func (p *pattern) at(s, part string) bool {
	for i := range len(part) {
		c := s[i]
		if p.fold {
			c = lower(c)
		}
		if part[i] != c && part[i] != one {
			return false
		}
	}
	return true
}

// find gives the first place of part in s, -1 if there is none.
func (p *pattern) find(s, part string) int {
	if !p.fold && strings.IndexByte(part, one) < 0 {
		return strings.Index(s, part)
	}
	for i := 0; i+len(part) <= len(s); i++ {
		if p.at(s[i:], part) {
			return i
		}
	}
	return -1
}

// exact says whether the pattern is a plain text.
func (p *pattern) exact() bool { return !p.star && strings.IndexByte(p.head, one) < 0 }

// prefix is the text that whatever matches begins with.
func (p *pattern) prefix() string {
	if i := strings.IndexByte(p.head, one); i >= 0 {
		return p.head[:i]
	}
	return p.head
}

// suffix is the text that whatever matches ends with.
func (p *pattern) suffix() string {
	last := p.tail
	if !p.star {
		last = p.head
	}
	return last[strings.LastIndexByte(last, one)+1:]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func control(c byte) bool { return c < 0x20 || c == 0x7f }

// visible is the text without control characters, which rules do not look at.
func visible(s string) string {
	for i := range len(s) {
		if control(s[i]) {
			return strip(s)
		}
	}
	return s
}

func strip(s string) string {
	kept := make([]byte, 0, len(s))
	for i := range len(s) {
		if !control(s[i]) {
			kept = append(kept, s[i])
		}
	}
	return string(kept)
}
