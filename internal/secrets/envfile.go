package secrets

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of an environment file: what Linux takes of environment in all is not more.
const (
	maxFileBytes = 1 << 20
	maxLineBytes = 128 << 10
)

// Variable is a line of an environment file.
type Variable struct{ Name, Value string }

// ParseFile reads an environment file by Docker's rules ("Pass environment variables to an Amazon ECS container"):
// NAME=VALUE a line, taken as it stands, quotes and all; lines that are empty or begin with # are left out, and so is the
// white space before a name. A name alone, which Docker would look up in its own environment, is none here.
func ParseFile(text []byte) ([]Variable, error) {
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), maxFileBytes)
	}
	var list []Variable
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	lines.Buffer(nil, maxLineBytes)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimLeft(strings.TrimSuffix(lines.Text(), "\r"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		switch {
		case !utf8.ValidString(line) || strings.ContainsRune(line, 0):
			return nil, fmt.Errorf("line %d is no text in UTF-8", n)
		case !ok:
			return nil, fmt.Errorf("line %d has no = after the name", n)
		case name == "":
			return nil, fmt.Errorf("line %d has no name before the =", n)
		case strings.ContainsAny(name, " \t"):
			return nil, fmt.Errorf("line %d: the name %.50q contains white space", n, name)
		}
		list = append(list, Variable{name, value})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return list, nil
}
