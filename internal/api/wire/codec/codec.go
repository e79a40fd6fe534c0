// Package codec turns AWS request and answer structs into bytes and back.
//
// The structs are the Input and Output types of the AWS SDK for Go, or structs
// of the same style: a pointer, slice, map or interface that is nil is absent, a
// plain scalar always has a value, an empty plain string (an enum) is absent.
// What a type looks like on the wire is worked out once, by reflection, into an
// immutable plan; encoding and decoding follow the plan.
//
// Formats: JSON of awsJson 1.0 and 1.1, the form and the XML of awsQuery and
// ec2Query, and the CBOR of rpc-v2-cbor. The package knows nothing of HTTP, of
// services or of error codes. Decoders never panic on any input: they bound the
// depth of nesting and the memory that a small body can make them use, and
// report a [FieldError], a [SyntaxError] or [ErrTooLarge].
package codec

import (
	"fmt"
	"reflect"
	"sync"
)

const (
	// depthMax bounds how deep objects and lists of a request may nest. The
	// deepest input of the served APIs nests 12 levels.
	depthMax = 64
	// decodedBytesMax bounds the memory that the structs, lists and maps of one
	// decoded request may take: three bytes of JSON ("{},") can ask for a struct
	// of almost a kilobyte, so a limit on the body alone is not enough.
	decodedBytesMax = 64 << 20
)

// Naming says how the name of a Go field is spelled as a JSON member.
type Naming uint8

const (
	// Identity keeps the field's name: ServiceNamespace.
	Identity Naming = iota
	// LowerFirst lowers the first letter of the field's name: taskDefinition.
	LowerFirst
)

// Codec holds the plans of the types it has met and the tables of what
// reflection cannot find out: the members of unions and the makers of documents.
// It is safe for concurrent use.
type Codec struct {
	unions    map[reflect.Type][]reflect.Type
	documents map[reflect.Type]func(any) reflect.Value
	renamed   map[memberOf]string

	published sync.Map // planKey → *plan; complete plans only
	compiling sync.Mutex
	compiled  map[planKey]*plan // guarded by compiling
}

// memberOf names a field of a struct type.
type memberOf struct {
	typ   reflect.Type
	field string
}

// Option fills one of the tables of a new Codec.
type Option func(*Codec)

// Union lists the members of the union interface I, a pointer to each.
func Union[I any](members ...I) Option {
	return func(c *Codec) {
		union := reflect.TypeFor[I]()
		for _, m := range members {
			c.unions[union] = append(c.unions[union], reflect.TypeOf(m).Elem())
		}
	}
}

// Document tells how a value of the document interface I is made from a decoded
// JSON tree (nil, bool, string, [document.Number], []any, map[string]any).
//
// [document.Number]: https://pkg.go.dev/github.com/aws/smithy-go/document#Number
func Document[I any](newDocument func(any) I) Option {
	return func(c *Codec) {
		c.documents[reflect.TypeFor[I]()] = func(tree any) reflect.Value {
			return reflect.ValueOf(newDocument(tree))
		}
	}
}

// Renamed gives a field of the struct S its name on the wire, where the SDK's Go
// name does not tell it. A field may also carry it in a tag: `wire:"name"`.
func Renamed[S any](field, name string) Option {
	return func(c *Codec) {
		c.renamed[memberOf{reflect.TypeFor[S](), field}] = name
	}
}

// New returns a Codec with the given tables.
func New(options ...Option) *Codec {
	c := &Codec{
		unions:    map[reflect.Type][]reflect.Type{},
		documents: map[reflect.Type]func(any) reflect.Value{},
		renamed:   map[memberOf]string{},
		compiled:  map[planKey]*plan{},
	}
	for _, o := range options {
		o(c)
	}
	return c
}

// Check compiles the plan of t, so that a type that cannot be put on the wire is
// found when a program starts and not by its first request.
func (c *Codec) Check(t reflect.Type, n Naming) error {
	_, err := c.planOf(t, n)
	return err
}

// planOf returns the plan of t, compiling it at the first use.
func (c *Codec) planOf(t reflect.Type, n Naming) (*plan, error) {
	key := planKey{t, n}
	if p, ok := c.published.Load(key); ok {
		return p.(*plan), nil
	}
	c.compiling.Lock()
	defer c.compiling.Unlock()
	run := compiler{codec: c, naming: n, open: map[reflect.Type]*plan{}}
	p, err := run.compile(t)
	if err != nil {
		return nil, fmt.Errorf("plan of %s: %w", t, err)
	}
	for t, open := range run.open {
		c.compiled[planKey{t, n}] = open
	}
	c.published.Store(key, p)
	return p, nil
}

// target returns the plan and the addressable value that into points to.
func (c *Codec) target(into any, n Naming) (*plan, reflect.Value, error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, reflect.Value{}, fmt.Errorf("decode into %T: not a pointer to a value", into)
	}
	p, err := c.planOf(v.Type().Elem(), n)
	return p, v.Elem(), err
}

// source returns the plan and the value to encode, with outer pointers taken off.
func (c *Codec) source(v any, n Naming) (*plan, reflect.Value, error) {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if !rv.IsValid() || rv.Kind() == reflect.Pointer {
		return nil, reflect.Value{}, fmt.Errorf("encode %T: nil", v)
	}
	p, err := c.planOf(rv.Type(), n)
	return p, rv, err
}
