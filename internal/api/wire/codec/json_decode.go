package codec

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/aws/smithy-go/document"
)

// DecodeJSON reads awsJson into the struct that into points to. Members that the
// struct does not have are checked for syntax and ignored; of a member sent
// twice the last counts; an empty body is an empty object.
func (c *Codec) DecodeJSON(data []byte, n Naming, into any) error {
	p, v, err := c.target(into, n)
	if err != nil {
		return err
	}
	d := jsonDecoder{scanner: scanner{data: data}, budget: decodedBytesMax}
	if d.peek() == 0 && d.pos == len(data) {
		return nil
	}
	if err := d.value(p, v); err != nil {
		return err
	}
	return d.end()
}

type jsonDecoder struct {
	scanner
	budget budget
}

// value reads the next value into v. Null is nowhere a value of its own: where
// it means "absent", the caller has taken it already.
func (d *jsonDecoder) value(p *plan, v reflect.Value) error {
	switch p.kind {
	case kindPointer:
		if err := d.budget.spend(p.elem.size); err != nil {
			return err
		}
		pointee := reflect.New(p.elem.typ)
		if err := d.value(p.elem, pointee.Elem()); err != nil {
			return err
		}
		v.Set(pointee)
		return nil
	case kindStruct:
		return d.structure(p, v)
	case kindList:
		return d.list(p, v)
	case kindMap:
		return d.mapping(p, v)
	case kindUnion:
		return d.union(p, v)
	case kindDocument:
		return d.document(p, v)
	default:
		return d.scalar(p, v)
	}
}

// expect checks that the next value begins with c.
func (d *jsonDecoder) expect(c byte) error {
	switch got := d.peek(); {
	case got == c:
		return nil
	case !startsValue(got):
		return d.fail("expected a value")
	default:
		return mismatch(what(c), what(got))
	}
}

// null steps over a null and reports whether there was one.
func (d *jsonDecoder) null() (bool, error) {
	if d.peek() != 'n' {
		return false, nil
	}
	return true, d.word("null")
}

func (d *jsonDecoder) structure(p *plan, v reflect.Value) error {
	if err := d.expect('{'); err != nil {
		return err
	}
	if err := d.open(); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := d.more('}', first)
		if err != nil || !ok {
			return err
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		f := p.byName[string(key)]
		if f == nil {
			err = d.skip()
		} else {
			err = d.member(f, v.Field(f.index))
		}
		if err != nil {
			return err
		}
	}
}

func (d *jsonDecoder) member(f *field, v reflect.Value) error {
	null, err := d.null()
	if err != nil {
		return err
	}
	if null {
		v.SetZero()
		return nil
	}
	if err := d.value(f.plan, v); err != nil {
		return under(err, f.name)
	}
	return nil
}

func (d *jsonDecoder) list(p *plan, v reflect.Value) error {
	if err := d.expect('['); err != nil {
		return err
	}
	if err := d.open(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(p.typ, 0, 0))
	for i := 0; ; i++ {
		ok, err := d.more(']', i == 0)
		if err != nil || !ok {
			return err
		}
		if err := d.budget.spend(p.elem.size); err != nil {
			return err
		}
		if err := d.value(p.elem, extend(v)); err != nil {
			return underIndex(err, i)
		}
	}
}

// extend makes the addressable slice v longer by one zero element and returns it.
func extend(v reflect.Value) reflect.Value {
	n := v.Len()
	if n == v.Cap() {
		v.Grow(1)
	}
	v.SetLen(n + 1)
	return v.Index(n)
}

func (d *jsonDecoder) mapping(p *plan, v reflect.Value) error {
	if err := d.expect('{'); err != nil {
		return err
	}
	if err := d.open(); err != nil {
		return err
	}
	m := reflect.MakeMap(p.typ)
	v.Set(m)
	keyType := p.typ.Key()
	for first := true; ; first = false {
		ok, err := d.more('}', first)
		if err != nil || !ok {
			return err
		}
		raw, err := d.key()
		if err != nil {
			return err
		}
		key := string(raw)
		if err := d.budget.spend(mapEntrySize(p)); err != nil {
			return err
		}
		entry := reflect.New(p.elem.typ).Elem()
		if err := d.value(p.elem, entry); err != nil {
			return underKey(err, key)
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(keyType), entry)
	}
}

// mapEntrySize is about what one entry of a map takes, in bytes.
func mapEntrySize(p *plan) int {
	const keyAndSlack = 32
	return p.elem.size + keyAndSlack
}

// union reads an object with exactly one member that is not null.
func (d *jsonDecoder) union(p *plan, v reflect.Value) error {
	v.SetZero()
	if err := d.expect('{'); err != nil {
		return err
	}
	if err := d.open(); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := d.more('}', first)
		if err != nil {
			return err
		}
		if !ok {
			return unionComplete(p, v)
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		if err := d.unionMember(p, v, key); err != nil {
			return err
		}
	}
}

func (d *jsonDecoder) unionMember(p *plan, v reflect.Value, key []byte) error {
	if null, err := d.null(); null || err != nil {
		return err
	}
	m := p.memberNamed(string(key))
	if m == nil {
		return d.skip()
	}
	inner, err := m.fill(v)
	if err != nil {
		return err
	}
	if err := d.value(m.plan, inner); err != nil {
		return under(err, m.name)
	}
	return nil
}

func (d *jsonDecoder) document(p *plan, v reflect.Value) error {
	d.peek()
	start := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	// A tree of small values takes up to about 50 times the bytes of its text.
	if err := d.budget.spend(50 * (d.pos - start)); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(d.data[start:d.pos]))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return &FieldError{Reason: err.Error()}
	}
	v.Set(p.newDoc(documentNumbers(tree)))
	return nil
}

// documentNumbers gives the numbers of a tree the type that documents marshal as
// numbers; they would marshal a json.Number as a string.
func documentNumbers(tree any) any {
	switch t := tree.(type) {
	case json.Number:
		return document.Number(t)
	case []any:
		for i := range t {
			t[i] = documentNumbers(t[i])
		}
	case map[string]any:
		for k := range t {
			t[k] = documentNumbers(t[k])
		}
	}
	return tree
}

func (d *jsonDecoder) scalar(p *plan, v reflect.Value) error {
	switch p.kind {
	case kindString, kindBlob:
		return d.stringLike(p, v)
	case kindBool:
		return d.boolean(v)
	default:
		return d.numeric(p, v)
	}
}

func (d *jsonDecoder) stringLike(p *plan, v reflect.Value) error {
	if err := d.expect('"'); err != nil {
		return err
	}
	text, err := d.text()
	if err != nil {
		return err
	}
	if p.kind == kindBlob {
		return parseBlob(v, text)
	}
	v.SetString(text)
	return nil
}

func (d *jsonDecoder) boolean(v reflect.Value) error {
	switch d.peek() {
	case 't':
		v.SetBool(true)
		return d.word("true")
	case 'f':
		v.SetBool(false)
		return d.word("false")
	default:
		return d.expect('t') // says what is there instead
	}
}

func (d *jsonDecoder) numeric(p *plan, v reflect.Value) error {
	if d.peek() == '"' && p.kind == kindFloat {
		return d.floatWord(v)
	}
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return d.expectNumber(p)
	}
	token, err := d.number()
	if err != nil {
		return err
	}
	if p.kind == kindInt {
		return parseInt(v, string(token))
	}
	f, ok := parseFloat(string(token))
	if !ok {
		return &FieldError{Reason: "the number " + clip(string(token)) + " is out of range"}
	}
	if p.kind == kindTime {
		return setEpoch(v, f)
	}
	return setFloat(v, f)
}

// expectNumber reports what is there instead of a number.
func (d *jsonDecoder) expectNumber(p *plan) error {
	want := map[kind]string{kindInt: "an integer", kindFloat: "a number", kindTime: "a timestamp in seconds"}
	c := d.peek()
	if !startsValue(c) {
		return d.fail("expected a value")
	}
	return mismatch(want[p.kind], what(c))
}

func (d *jsonDecoder) floatWord(v reflect.Value) error {
	text, err := d.text()
	if err != nil {
		return err
	}
	f, ok := specialFloat(text)
	if !ok {
		return mismatch("a number", "a string")
	}
	v.SetFloat(f)
	return nil
}
