package codec

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// scanner reads JSON from left to right. It accepts exactly what RFC 8259 calls
// JSON, to a depth of depthMax.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

func (s *scanner) fail(reason string) error {
	return &SyntaxError{Format: "JSON", Offset: s.pos, Reason: reason}
}

// peek returns the first byte of the next token, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.peek(); s.pos < len(s.data) {
		return s.fail("text after the end of the value")
	}
	return nil
}

// open enters an object or a list, whose first byte peek has seen.
func (s *scanner) open() error {
	if s.depth == depthMax {
		return s.fail("nested too deep")
	}
	s.depth++
	s.pos++
	return nil
}

// more steps to the next element, or over the closing byte. It reports whether
// there is an element.
func (s *scanner) more(closing byte, first bool) (bool, error) {
	c := s.peek()
	switch {
	case c == closing:
		s.pos++
		s.depth--
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, s.fail("expected ',' or '" + string(closing) + "'")
	}
	s.pos++
	return true, nil
}

// key reads the name of a member and the colon after it.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("expected the name of a member")
	}
	raw, plain, err := s.rawString()
	if err != nil {
		return nil, err
	}
	name := raw[1 : len(raw)-1]
	if !plain {
		text, err := s.unquote(raw)
		if err != nil {
			return nil, err
		}
		name = []byte(text)
	}
	if s.peek() != ':' {
		return nil, s.fail("expected ':'")
	}
	s.pos++
	return name, nil
}

// text reads a string, whose quote peek has seen.
func (s *scanner) text() (string, error) {
	raw, plain, err := s.rawString()
	if err != nil {
		return "", err
	}
	if plain {
		return string(raw[1 : len(raw)-1]), nil
	}
	return s.unquote(raw)
}

// rawString reads a string with its quotes. It is plain when its bytes are its
// value: no escape, and UTF-8.
func (s *scanner) rawString() (raw []byte, plain bool, err error) {
	start, ascii, escaped := s.pos, true, false
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			raw = s.data[start:s.pos]
			return raw, !escaped && (ascii || utf8.Valid(raw)), nil
		case c == '\\':
			escaped = true
			s.pos++
		case c < ' ':
			return nil, false, s.fail("control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.pos = len(s.data)
	return nil, false, s.fail("string without an end")
}

// unquote resolves escapes; encoding/json knows the rules of surrogate pairs.
func (s *scanner) unquote(raw []byte) (string, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", s.fail("bad escape in a string")
	}
	return text, nil
}

// number reads a number, whose first byte peek has seen.
func (s *scanner) number() ([]byte, error) {
	start := s.pos
	s.accept("-")
	if !s.accept("0") && !s.digits() {
		return nil, s.fail("expected a digit")
	}
	if s.accept(".") && !s.digits() {
		return nil, s.fail("expected a digit")
	}
	if s.accept("eE") {
		s.accept("+-")
		if !s.digits() {
			return nil, s.fail("expected a digit")
		}
	}
	return s.data[start:s.pos], nil
}

// accept steps over one byte if it is in set.
func (s *scanner) accept(set string) bool {
	if s.pos < len(s.data) && strings.IndexByte(set, s.data[s.pos]) >= 0 {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// word reads one of the words true, false and null.
func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
		return s.fail("expected " + w)
	}
	s.pos += len(w)
	return nil
}

// skip reads any value and checks its syntax.
func (s *scanner) skip() error {
	var err error
	switch c := s.peek(); c {
	case '{':
		return s.skipElements('}', true)
	case '[':
		return s.skipElements(']', false)
	case '"':
		var raw []byte
		var plain bool
		if raw, plain, err = s.rawString(); err == nil && !plain {
			_, err = s.unquote(raw)
		}
	case 't':
		err = s.word("true")
	case 'f':
		err = s.word("false")
	case 'n':
		err = s.word("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return s.fail("expected a value")
		}
		_, err = s.number()
	}
	return err
}

func (s *scanner) skipElements(closing byte, named bool) error {
	if err := s.open(); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := s.more(closing, first)
		if err != nil || !ok {
			return err
		}
		if named {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

// what names the value that begins with c, for error texts.
func what(c byte) string {
	switch c {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// startsValue reports whether a JSON value can begin with c.
func startsValue(c byte) bool {
	return c == '-' || (c >= '0' && c <= '9') || (c != 0 && strings.IndexByte(`{["tfn`, c) >= 0)
}
