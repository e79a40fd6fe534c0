package codec

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Style is the dialect of the query protocols.
type Style uint8

const (
	// AWSQuery spells lists as Name.member.N and maps as Name.entry.N.key.
	AWSQuery Style = iota
	// EC2Query spells lists as Name.N and has no maps.
	EC2Query
)

// itemName is the XML element of one value of a list.
func (s Style) itemName() string {
	if s == EC2Query {
		return "item"
	}
	return "member"
}

// Form is a parsed form or query string: the tree that its dotted names make.
type Form struct {
	root   formNode
	budget budget
}

type formNode struct {
	value    string
	present  bool // the name itself was sent, perhaps with an empty value
	children map[string]*formNode
}

// formNodeSize is about what one node of the tree takes, in bytes.
const formNodeSize = 128

// ParseForm parses a body of type application/x-www-form-urlencoded or the query
// string of a URL. Of a name sent twice the last value counts.
func ParseForm(text string) (*Form, error) {
	f := &Form{budget: decodedBytesMax}
	offset := 0
	for pair := range strings.SplitSeq(text, "&") {
		if pair != "" {
			if err := f.add(pair, offset); err != nil {
				return nil, err
			}
		}
		offset += len(pair) + 1
	}
	return f, nil
}

func (f *Form) add(pair string, offset int) error {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil {
		return &SyntaxError{Format: "query string", Offset: offset, Reason: err.Error()}
	}
	value, err := url.QueryUnescape(rawValue)
	if err != nil {
		return &SyntaxError{Format: "query string", Offset: offset, Reason: err.Error()}
	}
	if strings.Count(name, ".") >= depthMax {
		return &SyntaxError{Format: "query string", Offset: offset, Reason: "nested too deep"}
	}
	node := &f.root
	for segment := range strings.SplitSeq(name, ".") {
		if node, err = f.child(node, segment); err != nil {
			return err
		}
	}
	node.value, node.present = strings.ToValidUTF8(value, "\ufffd"), true
	return nil
}

// child returns the node below n with the given name, which it makes if needed.
func (f *Form) child(n *formNode, segment string) (*formNode, error) {
	if next := n.children[segment]; next != nil {
		return next, nil
	}
	if err := f.budget.spend(formNodeSize); err != nil {
		return nil, err
	}
	if n.children == nil {
		n.children = map[string]*formNode{}
	}
	next := &formNode{}
	n.children[segment] = next
	return next, nil
}

// Get returns the value sent for a name without dots, and empty if there is none.
func (f *Form) Get(name string) string {
	if n := f.root.children[name]; n != nil {
		return n.value
	}
	return ""
}

// DecodeForm reads a form into the struct that into points to. Names that the
// struct does not have are ignored.
func (c *Codec) DecodeForm(f *Form, s Style, into any) error {
	p, v, err := c.target(into, Identity)
	if err != nil {
		return err
	}
	d := formDecoder{style: s, budget: f.budget}
	return d.value(&f.root, p, v)
}

type formDecoder struct {
	style  Style
	budget budget
}

func (d *formDecoder) value(n *formNode, p *plan, v reflect.Value) error {
	switch p.kind {
	case kindPointer:
		if err := d.budget.spend(p.elem.size); err != nil {
			return err
		}
		pointee := reflect.New(p.elem.typ)
		if err := d.value(n, p.elem, pointee.Elem()); err != nil {
			return err
		}
		v.Set(pointee)
		return nil
	case kindStruct:
		return d.structure(n, p, v)
	case kindList:
		return d.list(n, p, v)
	case kindMap:
		return d.mapping(n, p, v)
	case kindUnion:
		return d.union(n, p, v)
	case kindDocument:
		return fmt.Errorf("%s: documents have no form in the query protocols", p.typ)
	default:
		return d.scalar(n, p, v)
	}
}

func (d *formDecoder) structure(n *formNode, p *plan, v reflect.Value) error {
	if len(n.children) == 0 {
		return nil
	}
	for i := range p.fields {
		f := &p.fields[i]
		sub := n.children[f.name]
		if sub == nil {
			continue
		}
		if err := d.value(sub, f.plan, v.Field(f.index)); err != nil {
			return under(err, f.name)
		}
	}
	return nil
}

// list reads Name.member.1, Name.member.2 and so on; the numbers say the order
// and may have gaps. A bare "Name=" is an empty list.
func (d *formDecoder) list(n *formNode, p *plan, v reflect.Value) error {
	items := n
	if d.style == AWSQuery {
		items = n.children["member"]
	}
	v.Set(reflect.MakeSlice(p.typ, 0, 0))
	numbered, err := inOrder(items)
	if err != nil {
		return err
	}
	for i, item := range numbered {
		if err := d.budget.spend(p.elem.size); err != nil {
			return err
		}
		if err := d.value(item, p.elem, extend(v)); err != nil {
			return underIndex(err, i)
		}
	}
	return nil
}

// inOrder returns the numbered children of n by their numbers.
func inOrder(n *formNode) ([]*formNode, error) {
	if n == nil || len(n.children) == 0 {
		return nil, nil
	}
	numbers := make([]int, 0, len(n.children))
	byNumber := make(map[int]*formNode, len(n.children))
	for segment, child := range n.children {
		i, err := strconv.Atoi(segment)
		if err != nil || i < 0 {
			return nil, &FieldError{Reason: "expected a number in the name, got " + clip(segment)}
		}
		if byNumber[i] != nil {
			return nil, &FieldError{Reason: "the list has two elements number " + strconv.Itoa(i)}
		}
		byNumber[i] = child
		numbers = append(numbers, i)
	}
	slices.Sort(numbers)
	ordered := make([]*formNode, len(numbers))
	for i, number := range numbers {
		ordered[i] = byNumber[number]
	}
	return ordered, nil
}

func (d *formDecoder) mapping(n *formNode, p *plan, v reflect.Value) error {
	m := reflect.MakeMap(p.typ)
	v.Set(m)
	entries, err := inOrder(n.children["entry"])
	if err != nil {
		return err
	}
	for i, e := range entries {
		key, value := e.children["key"], e.children["value"]
		if key == nil || value == nil {
			return underIndex(&FieldError{Reason: "expected a key and a value"}, i)
		}
		if err := d.budget.spend(mapEntrySize(p)); err != nil {
			return err
		}
		entry := reflect.New(p.elem.typ).Elem()
		if err := d.value(value, p.elem, entry); err != nil {
			return underKey(err, key.value)
		}
		m.SetMapIndex(reflect.ValueOf(key.value).Convert(p.typ.Key()), entry)
	}
	return nil
}

func (d *formDecoder) union(n *formNode, p *plan, v reflect.Value) error {
	for i := range p.members {
		m := &p.members[i]
		sub := n.children[m.name]
		if sub == nil {
			continue
		}
		inner, err := m.fill(v)
		if err != nil {
			return err
		}
		if err := d.value(sub, m.plan, inner); err != nil {
			return under(err, m.name)
		}
	}
	return unionComplete(p, v)
}

func (d *formDecoder) scalar(n *formNode, p *plan, v reflect.Value) error {
	if !n.present {
		return &FieldError{Reason: "expected a value, got members"}
	}
	text := n.value
	switch p.kind {
	case kindTime:
		return parseDateTime(v, text)
	case kindBlob:
		return parseBlob(v, text)
	case kindString:
		v.SetString(text)
		return nil
	case kindBool:
		return parseBool(v, text)
	case kindInt:
		return parseInt(v, text)
	default: // kindFloat
		return parseFloatText(v, text)
	}
}

func parseBool(v reflect.Value, text string) error {
	switch {
	case strings.EqualFold(text, "true"):
		v.SetBool(true)
	case strings.EqualFold(text, "false"):
		v.SetBool(false)
	default:
		return &FieldError{Reason: "expected true or false, got " + clip(text)}
	}
	return nil
}

func parseFloatText(v reflect.Value, text string) error {
	if f, ok := specialFloat(text); ok {
		v.SetFloat(f)
		return nil
	}
	f, ok := parseFloat(text)
	if !ok {
		return &FieldError{Reason: "expected a number, got " + clip(text)}
	}
	return setFloat(v, f)
}
