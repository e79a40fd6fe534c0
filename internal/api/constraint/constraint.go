// Package constraint refuses, in AWS's words, members of requests that break a rule of an API's model.
package constraint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/api/wire"
)

// Code is an API's code for what breaks a rule: ValidationException, or ValidationError.
type Code string

// Broken says that a member breaks a rule; the value is as it is to be shown.
func (c Code) Broken(member, value, rule string) *wire.Error {
	return wire.Errorf(string(c), "1 validation error detected: Value %s at '%s' failed to satisfy constraint: Member must %s", value, member, rule)
}

// Null refuses a member that is missing.
func (c Code) Null(member string) *wire.Error { return c.Broken(member, "null", "not be null") }

// Number checks a number that is given.
func (c Code) Number(member string, n *int32, least, most int) error {
	switch {
	case n == nil:
		return nil
	case int(*n) < least:
		return c.Broken(member, fmt.Sprintf("'%d'", *n), fmt.Sprintf("have value greater than or equal to %d", least))
	case int(*n) > most:
		return c.Broken(member, fmt.Sprintf("'%d'", *n), fmt.Sprintf("have value less than or equal to %d", most))
	}
	return nil
}

// Enumeration is an enumeration of the SDK.
type Enumeration[E any] interface {
	~string
	Values() []E
}

// Enum refuses a value that is given and no member of its enumeration.
func Enum[E Enumeration[E]](c Code, member string, value E) error {
	if value == "" || slices.Contains(value.Values(), value) {
		return nil
	}
	names := make([]string, 0, len(value.Values()))
	for _, v := range value.Values() {
		names = append(names, string(v))
	}
	return c.Broken(member, Quoted(string(value)), "satisfy enum value set: ["+strings.Join(names, ", ")+"]")
}

// Quoted shows the value of a member.
func Quoted(value string) string { return fmt.Sprintf("'%.200s'", value) }
