package codec

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/smithy-go/document"
)

// kind is what a value is on the wire.
type kind uint8

const (
	kindStruct kind = iota + 1
	kindPointer
	kindList
	kindMap
	kindUnion
	kindDocument
	kindTime
	kindBlob
	kindString
	kindBool
	kindInt
	kindFloat
)

// planKey identifies a plan: the same type has one plan for each naming.
type planKey struct {
	typ    reflect.Type
	naming Naming
}

// plan is what a type is on the wire. It is immutable once it is compiled.
type plan struct {
	kind    kind
	typ     reflect.Type
	size    int               // bytes that a value takes, without what it points to
	elem    *plan             // of a pointer, a list or a map
	fields  []field           // of a struct, in the order of the Go type
	byName  map[string]*field // of a struct, by wire name
	members []member          // of a union
	newDoc  func(any) reflect.Value
}

// field is one member of a struct.
type field struct {
	index   int    // in the Go struct
	name    string // on the wire
	jsonKey string // `"name":`
	plan    *plan
}

// member is one alternative of a union: a Go struct with the one field Value.
type member struct {
	typ     reflect.Type
	name    string
	jsonKey string
	plan    *plan // of Value
}

// compiler makes the plans of one type and of all that it reaches.
type compiler struct {
	codec  *Codec
	naming Naming
	open   map[reflect.Type]*plan // plans of this run; breaks cycles of types
}

func (c *compiler) compile(t reflect.Type) (*plan, error) {
	if p, ok := c.codec.compiled[planKey{t, c.naming}]; ok {
		return p, nil
	}
	if p, ok := c.open[t]; ok {
		return p, nil
	}
	p := &plan{typ: t, size: int(t.Size())}
	c.open[t] = p
	return p, c.fill(p)
}

// fill completes p, whose type is set.
func (c *compiler) fill(p *plan) (err error) {
	t := p.typ
	switch t.Kind() {
	case reflect.Pointer:
		p.kind = kindPointer
		p.elem, err = c.compile(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			p.kind = kindTime
			return nil
		}
		p.kind = kindStruct
		err = c.fillStruct(p)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			p.kind = kindBlob
			return nil
		}
		p.kind = kindList
		p.elem, err = c.compile(t.Elem())
	case reflect.Map:
		p.kind = kindMap
		if t.Key().Kind() != reflect.String {
			return fmt.Errorf("map key %s is not a string", t.Key())
		}
		p.elem, err = c.compile(t.Elem())
	case reflect.Interface:
		err = c.fillInterface(p)
	default:
		err = fillScalar(p)
	}
	return err
}

func fillScalar(p *plan) error {
	switch p.typ.Kind() {
	case reflect.String:
		p.kind = kindString
	case reflect.Bool:
		p.kind = kindBool
	case reflect.Int32, reflect.Int64:
		p.kind = kindInt
	case reflect.Float32, reflect.Float64:
		p.kind = kindFloat
	default:
		return fmt.Errorf("%s has no form on the wire", p.typ)
	}
	return nil
}

func (c *compiler) fillStruct(p *plan) error {
	for i := range p.typ.NumField() {
		f := p.typ.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		sub, err := c.compile(f.Type)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		name := c.wireName(p.typ, f)
		p.fields = append(p.fields, field{index: i, name: name, jsonKey: jsonKey(name), plan: sub})
	}
	p.byName = make(map[string]*field, len(p.fields))
	for i := range p.fields {
		f := &p.fields[i]
		if p.byName[f.name] != nil {
			return fmt.Errorf("two members named %s", f.name)
		}
		p.byName[f.name] = f
	}
	return nil
}

func (c *compiler) fillInterface(p *plan) error {
	if newDoc, ok := c.codec.documents[p.typ]; ok {
		if !p.typ.Implements(reflect.TypeFor[document.Marshaler]()) {
			return fmt.Errorf("%s cannot marshal itself, so it is no document", p.typ)
		}
		p.kind, p.newDoc = kindDocument, newDoc
		return nil
	}
	types, ok := c.codec.unions[p.typ]
	if !ok {
		return fmt.Errorf("%s is in neither the table of unions nor that of documents", p.typ)
	}
	p.kind = kindUnion
	for _, t := range types {
		m, err := c.member(p.typ, t)
		if err != nil {
			return err
		}
		p.members = append(p.members, m)
	}
	return nil
}

// member plans the alternative t of union: <union>Member<Name>{Value}.
func (c *compiler) member(union, t reflect.Type) (member, error) {
	name, ok := strings.CutPrefix(t.Name(), union.Name()+"Member")
	if !ok || t.NumField() == 0 || t.Field(0).Name != "Value" {
		return member{}, fmt.Errorf("%s is not a member of the union %s", t, union)
	}
	sub, err := c.compile(t.Field(0).Type)
	if err != nil {
		return member{}, fmt.Errorf("%s: %w", t.Name(), err)
	}
	name = c.spell(name)
	return member{typ: t, name: name, jsonKey: jsonKey(name), plan: sub}, nil
}

// memberOf returns the alternative that the union value v holds, and the value
// inside.
func (p *plan) memberOf(v reflect.Value) (*member, reflect.Value, error) {
	if v.IsNil() {
		return nil, reflect.Value{}, fmt.Errorf("nil %s where a value must be", p.typ)
	}
	inner := v.Elem()
	if inner.Kind() == reflect.Pointer && !inner.IsNil() {
		for i := range p.members {
			if m := &p.members[i]; m.typ == inner.Type().Elem() {
				return m, inner.Elem().Field(0), nil
			}
		}
	}
	return nil, reflect.Value{}, fmt.Errorf("%s holds %s, which is no member of it", p.typ, inner.Type())
}

// wireName returns the name on the wire of the field f of the struct t.
func (c *compiler) wireName(t reflect.Type, f reflect.StructField) string {
	if name, ok := f.Tag.Lookup("wire"); ok {
		return name
	}
	if name, ok := c.codec.renamed[memberOf{t, f.Name}]; ok {
		return name
	}
	return c.spell(f.Name)
}

// spell returns the wire name of a Go name.
func (c *compiler) spell(name string) string {
	if c.naming == Identity {
		return name
	}
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[n:]
}

func jsonKey(name string) string {
	return string(AppendJSONString(nil, name)) + ":"
}

// absent reports whether a struct member is left out: nil, or an empty enum.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	default:
		return false
	}
}
