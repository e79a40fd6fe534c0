package codec

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// AppendXML appends v to dst as the XML element <name>.
func (c *Codec) AppendXML(dst []byte, s Style, name string, v any) ([]byte, error) {
	p, rv, err := c.source(v, Identity)
	if err != nil {
		return dst, err
	}
	return xmlEncoder{s}.element(dst, name, p, rv)
}

// AppendXMLMembers appends the members of the struct v to dst, without an
// element around them.
func (c *Codec) AppendXMLMembers(dst []byte, s Style, v any) ([]byte, error) {
	p, rv, err := c.source(v, Identity)
	if err != nil {
		return dst, err
	}
	return xmlEncoder{s}.content(dst, p, rv)
}

type xmlEncoder struct{ style Style }

func (e xmlEncoder) element(dst []byte, name string, p *plan, v reflect.Value) ([]byte, error) {
	if p.kind == kindPointer {
		if v.IsNil() {
			return dst, fmt.Errorf("nil %s where a value must be", p.typ)
		}
		return e.element(dst, name, p.elem, v.Elem())
	}
	dst = appendTag(dst, "<", name)
	dst, err := e.content(dst, p, v)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", name, err)
	}
	return appendTag(dst, "</", name), nil
}

func appendTag(dst []byte, open, name string) []byte {
	dst = append(dst, open...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// content appends what stands between the tags of an element.
func (e xmlEncoder) content(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	switch p.kind {
	case kindStruct:
		return e.members(dst, p, v)
	case kindList:
		return e.items(dst, p, v)
	case kindMap:
		return e.entries(dst, p, v)
	case kindUnion:
		m, inner, err := p.memberOf(v)
		if err != nil {
			return dst, err
		}
		return e.element(dst, m.name, m.plan, inner)
	case kindDocument:
		return dst, fmt.Errorf("%s: documents have no form in XML", p.typ)
	default:
		return appendXMLScalar(dst, p, v), nil
	}
}

func (e xmlEncoder) members(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.Field(f.index)
		if absent(fv) {
			continue
		}
		var err error
		if dst, err = e.element(dst, f.name, f.plan, fv); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (e xmlEncoder) items(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	for i := range v.Len() {
		var err error
		if dst, err = e.element(dst, e.style.itemName(), p.elem, v.Index(i)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (e xmlEncoder) entries(dst []byte, p *plan, v reflect.Value) ([]byte, error) {
	for _, k := range sortedKeys(v) {
		dst = append(dst, "<entry><key>"...)
		dst = AppendXMLText(dst, k.String())
		dst = append(dst, "</key>"...)
		var err error
		if dst, err = e.element(dst, "value", p.elem, v.MapIndex(k)); err != nil {
			return dst, err
		}
		dst = append(dst, "</entry>"...)
	}
	return dst, nil
}

func appendXMLScalar(dst []byte, p *plan, v reflect.Value) []byte {
	switch p.kind {
	case kindTime:
		return appendDateTime(dst, timeOf(v))
	case kindBlob:
		return base64.StdEncoding.AppendEncode(dst, v.Bytes())
	case kindString:
		return AppendXMLText(dst, v.String())
	case kindBool:
		return strconv.AppendBool(dst, v.Bool())
	case kindInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	default: // kindFloat
		if name := specialFloatName(v.Float()); name != "" {
			return append(dst, name...)
		}
		return appendFloat(dst, v.Float(), floatBits(v))
	}
}

// AppendXMLText appends s to dst as character data. What XML cannot carry, even
// escaped, becomes U+FFFD.
func AppendXMLText(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if escaped := xmlEscape(r, n); escaped != "" {
			dst = append(dst, s[start:i]...)
			dst = append(dst, escaped...)
			start = i + n
		}
		i += n
	}
	return append(dst, s[start:]...)
}

// xmlEscape returns what stands for the character r of n bytes, and empty if it
// stands for itself.
func xmlEscape(r rune, n int) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&#34;"
	case '\'':
		return "&#39;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r': // a bare one would be read as a line feed
		return "&#13;"
	}
	invalid := r == utf8.RuneError && n == 1
	if invalid || r < ' ' || r == 0xFFFE || r == 0xFFFF {
		return "\ufffd"
	}
	return ""
}
