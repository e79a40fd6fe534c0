package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	end    kind = iota
	word        // bare: a subject, an operator's name, an argument
	quoted      // an argument only
	symbol      // == && ( …
)

type token struct {
	kind kind
	text string // without quotes
	at   int    // offset in bytes
}

// lexer cuts an expression into tokens on demand, because what a token is depends on the place: a pattern may contain
// what is a symbol elsewhere.
type lexer struct {
	src string
	pos int
}

// symbols in the order in which they are tried: the longer before its beginning.
var symbols = [...]string{"==", "=~", "!=", "!~", ">=", "<=", "&&", "||", ">", "<", "!", "(", ")", "[", "]", ","}

func (l *lexer) next() (token, error) {
	l.space()
	at, rest := l.pos, l.src[l.pos:]
	if rest == "" {
		return token{end, "", at}, nil
	}
	if rest[0] == '\'' || rest[0] == '"' {
		return l.quoted()
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			l.pos += len(s)
			return token{symbol, s, at}, nil
		}
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return !inWord(r) })
	if n < 0 {
		n = len(rest)
	}
	if n == 0 {
		r, _ := utf8.DecodeRuneInString(rest)
		return token{}, l.fail(at, "unexpected "+quote(string(r))+hint(r))
	}
	l.pos += n
	return token{word, rest[:n], at}, nil
}

// hint helps with what people type by habit.
func hint(r rune) string {
	switch r {
	case '=':
		return "; equality is =="
	case '&', '|':
		return "; the operators are && and ||"
	}
	return ""
}

// pattern reads the argument of =~ and !~: up to a space, a parenthesis, && or ||, unless it is quoted. Brackets and
// the like belong to it.
func (l *lexer) pattern() (token, error) {
	l.space()
	at, rest := l.pos, l.src[l.pos:]
	if rest == "" || rest[0] == '\'' || rest[0] == '"' {
		return l.next()
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || r == '(' || r == ')' })
	if n < 0 {
		n = len(rest)
	}
	for _, stop := range []string{"&&", "||"} {
		if i := strings.Index(rest[:n], stop); i >= 0 {
			n = i
		}
	}
	if n == 0 {
		return l.next()
	}
	l.pos += n
	if strings.HasPrefix(l.src[l.pos:], "(") {
		return token{}, l.fail(l.pos, "a pattern with parentheses must stand in quotes")
	}
	return token{word, rest[:n], at}, nil
}

func (l *lexer) quoted() (token, error) {
	at, mark := l.pos, l.src[l.pos]
	var text strings.Builder
	for i := at + 1; i < len(l.src); i++ {
		if l.src[i] != mark {
			text.WriteByte(l.src[i])
			continue
		}
		if i+1 < len(l.src) && l.src[i+1] == mark { // written twice: the quote itself
			text.WriteByte(mark)
			i++
			continue
		}
		l.pos = i + 1
		return token{quoted, text.String(), at}, nil
	}
	return token{}, l.fail(at, "expected the closing "+string(mark)+" of the string that begins here")
}

func (l *lexer) space() {
	l.pos = len(l.src) - len(strings.TrimLeftFunc(l.src[l.pos:], unicode.IsSpace))
}

// fail makes an error of an offset in bytes, which it turns into a count of characters.
func (l *lexer) fail(at int, message string) *Error {
	return &Error{utf8.RuneCountInString(l.src[:at]) + 1, message}
}

// inWord says whether a character may stand in a bare string.
func inWord(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune(`()[],'"=!<>&|~`, r)
}

// quote writes a string so that it is read as one.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// argument writes a string bare where that is read as the same.
func argument(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !inWord(r) }) {
		return quote(s)
	}
	return s
}
