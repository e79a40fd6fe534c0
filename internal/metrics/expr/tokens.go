package expr

import (
	"slices"
	"strings"
	"unicode"
)

// partial says whether a word is found in a name: one token of it, regardless of case, or several that follow each other.
// Those must have the same case, unless the word shows by other characters where they begin ("Tokenization").
func partial(word, name string) bool {
	parts, delimited := tokens(word)
	in, _ := tokens(name)
	if len(parts) == 0 {
		return false
	}
	if len(parts) == 1 || delimited {
		parts, in = lower(parts), lower(in)
	}
	for i := 0; i+len(parts) <= len(in); i++ {
		if slices.Equal(in[i:i+len(parts)], parts) {
			return true
		}
	}
	return strings.EqualFold(strings.Join(parts, ""), strings.Join(in, "")) // the whole name is a token, too
}

// tokens cuts a name where its letters, digits and the case of its letters say so; delimited says that it has other
// characters, which belong to no token.
func tokens(name string) (parts []string, delimited bool) {
	runes := []rune(name)
	start := 0
	cut := func(end int) {
		if end > start {
			parts = append(parts, string(runes[start:end]))
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			cut(i)
			start, delimited = i+1, true
		case i > start && begins(runes, i):
			cut(i)
		}
	}
	cut(len(runes))
	return parts, delimited
}

// begins says that a token begins at i, within letters and digits: CustomCount1 is Custom Count 1, SDBFailure SDB Failure.
func begins(runes []rune, i int) bool {
	r, before := runes[i], runes[i-1]
	switch {
	case unicode.IsDigit(r) != unicode.IsDigit(before):
		return true
	case !unicode.IsUpper(r):
		return false
	case !unicode.IsUpper(before):
		return true
	}
	return i+1 < len(runes) && unicode.IsLower(runes[i+1])
}

func lower(parts []string) []string {
	small := make([]string, len(parts))
	for i, p := range parts {
		small[i] = strings.ToLower(p)
	}
	return small
}
