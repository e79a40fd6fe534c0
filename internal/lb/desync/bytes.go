package desync

import "bytes"

// The fields that say where a body ends.
const (
	transferEncoding = "transfer-encoding"
	contentLength    = "content-length"
)

// tokens are the bytes of a token (RFC 9110, 5.6.2).
var tokens = func() (t [256]bool) {
	for b := range t {
		t[b] = isAlnum(byte(b)) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(b)) >= 0
	}
	return t
}()

// isToken says whether a method may be written as it is.
func isToken(s []byte) bool {
	for _, b := range s {
		if !tokens[b] {
			return false
		}
	}
	return len(s) > 0
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func isAlnum(b byte) bool { return isDigit(b) || 'a' <= b|0x20 && b|0x20 <= 'z' }

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// equalFold compares with a word in lower case.
func equalFold(s []byte, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range s {
		if lower(s[i]) != word[i] {
			return false
		}
	}
	return true
}

// trim takes spaces and tabs off both ends.
func trim(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

type similarity uint8

const (
	distant   similarity = iota
	lookalike            // some program may take it for the word
	identical
)

// similar compares a field's name with an important one. Programs that trim, that turn hyphens into underscores, that cut
// at a control byte or that fold case by Unicode (ſ becomes S, ı becomes I) take other names for it: all names with the
// same letters and digits look alike.
func similar(name []byte, word string) similarity {
	if len(name) < len(word)-1 {
		return distant
	}
	if equalFold(name, word) {
		return identical
	}
	j := 0
	for i := 0; i < len(name); {
		b, n := letter(name[i:])
		i += n
		if !isAlnum(b) {
			continue
		}
		for j < len(word) && word[j] == '-' {
			j++
		}
		if j == len(word) || b != word[j] {
			return distant
		}
		j++
	}
	if j < len(word) {
		return distant
	}
	return lookalike
}

// letter reads one letter in lower case as a program that folds case by Unicode does, and how many bytes it takes.
func letter(s []byte) (byte, int) {
	if len(s) > 1 {
		switch {
		case s[0] == 0xc5 && s[1] == 0xbf: // ſ
			return 's', 2
		case s[0] == 0xc4 && s[1] == 0xb1: // ı
			return 'i', 2
		}
	}
	return lower(s[0]), 1
}
