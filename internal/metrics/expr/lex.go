package expr

import (
	"strings"
	"unicode/utf8"
)

type kind int

const (
	end    kind = iota
	number      // 1.5e3
	quoted      // a string, without its quotes
	id          // begins with a small letter
	upper       // begins with a capital: a function or a word of the language
	symbol      // an operator, a bracket
)

type token struct {
	kind kind
	text string
	at   int // offset in bytes
}

type lexer struct {
	src string
	pos int
}

// symbols in the order in which they are tried: the longer before its beginning.
var symbols = [...]string{"==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ","}

func (l *lexer) next() (token, error) {
	l.pos = len(l.src) - len(strings.TrimLeft(l.src[l.pos:], " \t\r\n"))
	at, rest := l.pos, l.src[l.pos:]
	if rest == "" {
		return token{end, "", at}, nil
	}
	switch c := rest[0]; {
	case c == '\'' || c == '"':
		return l.quoted()
	case digit(c) || c == '.' && len(rest) > 1 && digit(rest[1]):
		return l.cut(number, numberLength(rest)), nil
	case 'a' <= c && c <= 'z':
		return l.cut(id, wordLength(rest)), nil
	case 'A' <= c && c <= 'Z':
		return l.cut(upper, wordLength(rest)), nil
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			return l.cut(symbol, len(s)), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, l.fail(at, "Invalid syntax: unexpected '"+string(r)+"'")
}

func (l *lexer) cut(k kind, n int) token {
	at := l.pos
	l.pos += n
	return token{k, l.src[at:l.pos], at}
}

// quoted reads a string. A backslash belongs to it, and to what it stands before: searches escape with it.
func (l *lexer) quoted() (token, error) {
	at, mark := l.pos, l.src[l.pos]
	for i := at + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case mark:
			l.pos = i + 1
			return token{quoted, l.src[at+1 : i], at}, nil
		}
	}
	return token{}, l.fail(at, "Invalid syntax: the string is not closed")
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func digits(s string) (n int) {
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

func numberLength(s string) int {
	n := digits(s)
	if n < len(s) && s[n] == '.' {
		n++
		n += digits(s[n:])
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		exponent := n + 1
		if exponent < len(s) && (s[exponent] == '+' || s[exponent] == '-') {
			exponent++
		}
		if d := digits(s[exponent:]); d > 0 {
			n = exponent + d
		}
	}
	return n
}

func wordLength(s string) (n int) {
	for n < len(s) && inWord(s[n]) {
		n++
	}
	return n
}

func inWord(c byte) bool {
	return c == '_' || digit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (l *lexer) fail(at int, message string) *Error {
	return &Error{Position: utf8.RuneCountInString(l.src[:at]) + 1, Message: message}
}
