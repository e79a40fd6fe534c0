package codec

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/smithy-go/document"
)

// AppendJSON appends v as awsJson to dst.
func (c *Codec) AppendJSON(dst []byte, n Naming, v any) ([]byte, error) {
	p, rv, err := c.source(v, n)
	if err != nil {
		return dst, err
	}
	return appendJSON(dst, p, rv)
}

func appendJSON(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return dst, fmt.Errorf("nil %s where a value must be", p.typ)
		}
		return appendJSON(dst, p.elem, v.Elem())
	case kindStruct:
		return appendJSONStruct(dst, p, v)
	case kindList:
		return appendJSONList(dst, p, v)
	case kindMap:
		return appendJSONMap(dst, p, v)
	case kindUnion:
		return appendJSONUnion(dst, p, v)
	case kindDocument:
		return appendJSONDocument(dst, v)
	default:
		return appendJSONScalar(dst, p, v), nil
	}
}

func appendJSONScalar(dst []byte, p *plan, v reflect.Value) []byte {
	switch p.kind {
	case kindTime:
		return appendEpoch(dst, timeOf(v))
	case kindBlob:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"')
	case kindString:
		return AppendJSONString(dst, v.String())
	case kindBool:
		return strconv.AppendBool(dst, v.Bool())
	case kindInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	default: // kindFloat
		if name := specialFloatName(v.Float()); name != "" {
			return AppendJSONString(dst, name)
		}
		return appendFloat(dst, v.Float(), floatBits(v))
	}
}

func appendJSONStruct(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	dst = append(dst, '{')
	comma := false
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.Field(f.index)
		if absent(fv) {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		var err error
		if dst, err = appendJSON(append(dst, f.jsonKey...), f.plan, fv); err != nil {
			return dst, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return append(dst, '}'), nil
}

func appendJSONList(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(dst, p.elem, v.Index(i)); err != nil {
			return dst, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

func appendJSONMap(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	dst = append(dst, '{')
	for i, k := range sortedKeys(v) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendJSONString(dst, k.String()), ':')
		var err error
		if dst, err = appendJSON(dst, p.elem, v.MapIndex(k)); err != nil {
			return dst, fmt.Errorf("[%q]: %w", k.String(), err)
		}
	}
	return append(dst, '}'), nil
}

func appendJSONUnion(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	m, inner, err := p.memberOf(v)
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, '{'), m.jsonKey...)
	if dst, err = appendJSON(dst, m.plan, inner); err != nil {
		return dst, fmt.Errorf("%s: %w", m.name, err)
	}
	return append(dst, '}'), nil
}

func appendJSONDocument(dst []byte, v reflect.Value) ([]byte, error) {
	if v.IsNil() {
		return dst, fmt.Errorf("nil %s where a value must be", v.Type())
	}
	b, err := v.Interface().(document.Marshaler).MarshalSmithyDocument()
	if err != nil {
		return dst, fmt.Errorf("document: %w", err)
	}
	return append(dst, b...), nil
}

// sortedKeys returns the keys of a map in order: the same value is the same bytes.
func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s to dst as a JSON string; bytes that are not UTF-8 become U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendJSONEscape(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendJSONEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c >= utf8.RuneSelf {
		return append(dst, "\ufffd"...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
