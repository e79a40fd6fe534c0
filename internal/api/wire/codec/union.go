package codec

import (
	"math"
	"reflect"
	"strings"
)

// memberNamed returns the alternative with a wire name, nil if there is none.
func (p *plan) memberNamed(name string) *member {
	for i := range p.members {
		if p.members[i].name == name {
			return &p.members[i]
		}
	}
	return nil
}

// fill makes the union v hold a new value of the member and returns the place of
// the value inside.
func (m *member) fill(v reflect.Value) (reflect.Value, error) {
	if !v.IsNil() {
		return reflect.Value{}, &FieldError{Reason: "more than one member of a union is set"}
	}
	holder := reflect.New(m.typ)
	v.Set(holder)
	return holder.Elem().Field(0), nil
}

// unionComplete checks that a decoded union has got its member.
func unionComplete(p *plan, v reflect.Value) error {
	if !v.IsNil() {
		return nil
	}
	names := make([]string, len(p.members))
	for i := range p.members {
		names[i] = p.members[i].name
	}
	return &FieldError{Reason: "expected one member of: " + strings.Join(names, ", ")}
}

// setFloat puts f into the float v if it fits.
func setFloat(v reflect.Value, f float64) error {
	if !math.IsInf(f, 0) && v.OverflowFloat(f) {
		return &FieldError{Reason: "the number is out of the range of a 32-bit float"}
	}
	v.SetFloat(f)
	return nil
}
