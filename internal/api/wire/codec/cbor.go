package codec

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

// epochTag is the CBOR tag of a time in seconds since the epoch (RFC 8949, 3.4.2).
const epochTag = 1

// EncodeCBOR returns v as the CBOR of rpc-v2-cbor.
func (c *Codec) EncodeCBOR(v any) ([]byte, error) {
	p, rv, err := c.source(v, Identity)
	if err != nil {
		return nil, err
	}
	tree, err := cborOf(p, rv)
	if err != nil {
		return nil, err
	}
	return cbor.Encode(tree), nil
}

func cborOf(p *plan, v reflect.Value) (cbor.Value, error) {
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return nil, fmt.Errorf("nil %s where a value must be", p.typ)
		}
		return cborOf(p.elem, v.Elem())
	case kindStruct:
		return cborStruct(p, v)
	case kindList:
		return cborList(p, v)
	case kindMap:
		return cborMap(p, v)
	case kindUnion:
		m, inner, err := p.memberOf(v)
		if err != nil {
			return nil, err
		}
		value, err := cborOf(m.plan, inner)
		return cbor.Map{m.name: value}, err
	case kindDocument:
		return nil, fmt.Errorf("%s: documents have no form in CBOR", p.typ)
	default:
		return cborScalar(p, v), nil
	}
}

func cborStruct(p *plan, v reflect.Value) (cbor.Value, error) {
	m := make(cbor.Map, len(p.fields))
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.Field(f.index)
		if absent(fv) {
			continue
		}
		value, err := cborOf(f.plan, fv)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		m[f.name] = value
	}
	return m, nil
}

func cborList(p *plan, v reflect.Value) (cbor.Value, error) {
	list := make(cbor.List, v.Len())
	for i := range list {
		value, err := cborOf(p.elem, v.Index(i))
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		list[i] = value
	}
	return list, nil
}

func cborMap(p *plan, v reflect.Value) (cbor.Value, error) {
	m := make(cbor.Map, v.Len())
	for k, e := range v.Seq2() {
		value, err := cborOf(p.elem, e)
		if err != nil {
			return nil, fmt.Errorf("[%q]: %w", k.String(), err)
		}
		m[k.String()] = value
	}
	return m, nil
}

func cborScalar(p *plan, v reflect.Value) cbor.Value {
	switch p.kind {
	case kindTime:
		return &cbor.Tag{ID: epochTag, Value: cbor.Float64(float64(timeOf(v).UnixMilli()) / 1000)}
	case kindBlob:
		return cbor.Slice(v.Bytes())
	case kindString:
		return cbor.String(v.String())
	case kindBool:
		return cbor.Bool(v.Bool())
	case kindInt:
		if i := v.Int(); i < 0 {
			return cbor.NegInt(-uint64(i))
		}
		return cbor.Uint(v.Int())
	default: // kindFloat
		return cbor.Float64(v.Float())
	}
}

// DecodeCBOR reads the CBOR of rpc-v2-cbor into the struct that into points to.
// Unknown members are ignored; an empty body is an empty map.
func (c *Codec) DecodeCBOR(data []byte, into any) error {
	p, v, err := c.target(into, Identity)
	if err != nil || len(data) == 0 {
		return err
	}
	d := cborDecoder{budget: decodedBytesMax}
	if err := checkCBOR(data, &d.budget); err != nil {
		return err
	}
	tree, err := cbor.Decode(data)
	if err != nil {
		return &SyntaxError{Format: "CBOR", Reason: err.Error()}
	}
	return d.value(tree, p, v)
}

type cborDecoder struct{ budget budget }

func (d *cborDecoder) value(in cbor.Value, p *plan, v reflect.Value) error {
	switch p.kind {
	case kindPointer:
		if err := d.budget.spend(p.elem.size); err != nil {
			return err
		}
		pointee := reflect.New(p.elem.typ)
		if err := d.value(in, p.elem, pointee.Elem()); err != nil {
			return err
		}
		v.Set(pointee)
		return nil
	case kindStruct:
		return d.structure(in, p, v)
	case kindList:
		return d.list(in, p, v)
	case kindMap:
		return d.mapping(in, p, v)
	case kindUnion:
		return d.union(in, p, v)
	case kindDocument:
		return fmt.Errorf("%s: documents have no form in CBOR", p.typ)
	default:
		return scalarFromCBOR(in, p, v)
	}
}

func (d *cborDecoder) structure(in cbor.Value, p *plan, v reflect.Value) error {
	m, ok := in.(cbor.Map)
	if !ok {
		return mismatch("an object", whatCBOR(in))
	}
	for i := range p.fields {
		f := &p.fields[i]
		value, ok := m[f.name]
		if !ok || isNullCBOR(value) {
			continue
		}
		if err := d.value(value, f.plan, v.Field(f.index)); err != nil {
			return under(err, f.name)
		}
	}
	return nil
}

func (d *cborDecoder) list(in cbor.Value, p *plan, v reflect.Value) error {
	list, ok := in.(cbor.List)
	if !ok {
		return mismatch("a list", whatCBOR(in))
	}
	if err := d.budget.spend(len(list) * p.elem.size); err != nil {
		return err
	}
	s := reflect.MakeSlice(p.typ, len(list), len(list))
	for i := range list {
		if err := d.value(list[i], p.elem, s.Index(i)); err != nil {
			return underIndex(err, i)
		}
	}
	v.Set(s)
	return nil
}

func (d *cborDecoder) mapping(in cbor.Value, p *plan, v reflect.Value) error {
	entries, ok := in.(cbor.Map)
	if !ok {
		return mismatch("an object", whatCBOR(in))
	}
	m := reflect.MakeMapWithSize(p.typ, len(entries))
	for key, value := range entries {
		if err := d.budget.spend(mapEntrySize(p)); err != nil {
			return err
		}
		entry := reflect.New(p.elem.typ).Elem()
		if err := d.value(value, p.elem, entry); err != nil {
			return underKey(err, key)
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(p.typ.Key()), entry)
	}
	v.Set(m)
	return nil
}

func (d *cborDecoder) union(in cbor.Value, p *plan, v reflect.Value) error {
	m, ok := in.(cbor.Map)
	if !ok {
		return mismatch("an object", whatCBOR(in))
	}
	for i := range p.members {
		alternative := &p.members[i]
		value, ok := m[alternative.name]
		if !ok || isNullCBOR(value) {
			continue
		}
		inner, err := alternative.fill(v)
		if err != nil {
			return err
		}
		if err := d.value(value, alternative.plan, inner); err != nil {
			return under(err, alternative.name)
		}
	}
	return unionComplete(p, v)
}

func scalarFromCBOR(in cbor.Value, p *plan, v reflect.Value) error {
	switch p.kind {
	case kindTime:
		return timeFromCBOR(in, v)
	case kindBlob:
		b, ok := in.(cbor.Slice)
		if !ok {
			return mismatch("bytes", whatCBOR(in))
		}
		v.SetBytes(append([]byte{}, b...))
	case kindString:
		s, ok := in.(cbor.String)
		if !ok {
			return mismatch("a string", whatCBOR(in))
		}
		v.SetString(strings.ToValidUTF8(string(s), "\ufffd"))
	case kindBool:
		b, ok := in.(cbor.Bool)
		if !ok {
			return mismatch("a boolean", whatCBOR(in))
		}
		v.SetBool(bool(b))
	case kindInt:
		return intFromCBOR(in, v)
	default: // kindFloat
		f, err := cbor.AsFloat64(in)
		if err != nil {
			return mismatch("a number", whatCBOR(in))
		}
		return setFloat(v, f)
	}
	return nil
}

func intFromCBOR(in cbor.Value, v reflect.Value) error {
	switch n := in.(type) {
	case cbor.Uint, cbor.NegInt:
		i, err := cbor.AsInt64(n)
		if err != nil {
			return &FieldError{Reason: "the number is out of the range of a 64-bit integer"}
		}
		return setInt(v, i)
	case cbor.Float32, cbor.Float64:
		f, err := cbor.AsFloat64(n)
		if err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
			return setInt(v, int64(f))
		}
	}
	return mismatch("an integer", whatCBOR(in))
}

func timeFromCBOR(in cbor.Value, v reflect.Value) error {
	tag, ok := in.(*cbor.Tag)
	if !ok || tag.ID != epochTag {
		return mismatch("a timestamp", whatCBOR(in))
	}
	seconds, err := cbor.AsFloat64(tag.Value)
	if err != nil {
		return mismatch("a timestamp in seconds", whatCBOR(tag.Value))
	}
	return setEpoch(v, seconds)
}

func isNullCBOR(v cbor.Value) bool {
	switch v.(type) {
	case *cbor.Nil, *cbor.Undefined:
		return true
	default:
		return false
	}
}

// whatCBOR names a value for error texts.
func whatCBOR(v cbor.Value) string {
	switch v := v.(type) {
	case cbor.Uint, cbor.NegInt, cbor.Float32, cbor.Float64:
		return "a number"
	case cbor.String:
		return "a string"
	case cbor.Slice:
		return "bytes"
	case cbor.Bool:
		return "a boolean"
	case cbor.List:
		return "a list"
	case cbor.Map:
		return "an object"
	case *cbor.Tag:
		return fmt.Sprintf("a value with the tag %d", v.ID)
	default:
		return "null"
	}
}

// EncodeCBORMap returns a CBOR map of values that each are of a type with a form
// on the wire.
func (c *Codec) EncodeCBORMap(values map[string]any) ([]byte, error) {
	m := make(cbor.Map, len(values))
	for name, value := range values {
		p, rv, err := c.source(value, Identity)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if m[name], err = cborOf(p, rv); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return cbor.Encode(m), nil
}
