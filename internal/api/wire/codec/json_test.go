package codec

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

type color string

type leaf struct {
	Name  *string
	Color color
	Count int32
	Big   *int64
	Ratio float64
	Small *float32
	On    *bool
	At    *time.Time
	Bytes []byte
}

type shape interface{ isShape() }

type shapeMemberRound struct{ Value leaf }

type shapeMemberFlat struct{ Value string }

func (*shapeMemberRound) isShape() {}
func (*shapeMemberFlat) isShape()  {}

type node struct {
	Leaf     *leaf
	Leaves   []leaf
	Words    []string
	Labels   map[string]string
	ByColor  map[color]leaf
	Shape    shape
	Shapes   []shape
	Children []node
	Custom   *string `wire:"x-custom"`
}

func testCodec() *Codec {
	return New(Union[shape](&shapeMemberRound{}, &shapeMemberFlat{}))
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	at := func(ms int64) *time.Time { return new(time.UnixMilli(ms).UTC()) }
	for _, tc := range []struct {
		name string
		in   any
		want string
	}{
		{"plain scalars are always there", leaf{}, `{"count":0,"ratio":0}`},
		{"nil is absent, empty is not", node{Words: []string{}, Labels: map[string]string{}}, `{"words":[],"labels":{}}`},
		{"empty string", leaf{Name: new("")}, `{"name":"","count":0,"ratio":0}`},
		{"escapes", node{Words: []string{"\"\\\n\r\t\x00\x1f<&>\u2028é𝄞\xff"}}, `{"words":["\"\\\n\r\t\u0000\u001f<&>` + "\u2028é𝄞\ufffd" + `"]}`},
		{"keys are sorted", node{Labels: map[string]string{"b": "2", "a": "1", "": "0"}}, `{"labels":{"":"0","a":"1","b":"2"}}`},
		{"numbers", leaf{Count: -1, Big: new(int64(math.MinInt64)), Ratio: 1e21, Small: new(float32(0.1))}, `{"count":-1,"big":-9223372036854775808,"ratio":1e+21,"small":0.1}`},
		{"not a number", []float64{math.NaN(), math.Inf(1), math.Inf(-1)}, `["NaN","Infinity","-Infinity"]`},
		{"small numbers", []float64{0.000001, 1e-7, 123456789.125}, `[0.000001,1e-07,123456789.125]`},
		{"times", []time.Time{*at(0), *at(1619952106055), *at(1500), *at(1510), *at(-1), *at(-2500)}, `[0,1619952106.055,1.5,1.51,-0.001,-2.5]`},
		{"finer than a millisecond is cut", leaf{At: new(time.Unix(1, 999999))}, `{"count":0,"ratio":0,"at":1}`},
		{"bytes", leaf{Bytes: []byte{0, 255}}, `{"count":0,"ratio":0,"bytes":"AP8="}`},
		{"union", node{Shape: &shapeMemberFlat{"x"}, Custom: new("y")}, `{"shape":{"flat":"x"},"x-custom":"y"}`},
	} {
		got, err := testCodec().AppendJSON(nil, LowerFirst, tc.in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: AppendJSON = %s, %v, want %s", tc.name, got, err, tc.want)
		}
	}
}

func TestAppendJSONRefuses(t *testing.T) {
	t.Parallel()
	type odd struct{ F func() }
	for name, in := range map[string]any{
		"nil pointer":                (*leaf)(nil),
		"nil":                        nil,
		"no form on the wire":        odd{},
		"no member of it":            node{Shape: (*shapeMemberFlat)(nil)},
		"nil pointer inside a list":  []*string{nil},
		"nil interface inside a map": map[string]shape{"a": nil},
	} {
		got, err := func() (b []byte, err error) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: AppendJSON panicked: %v", name, p)
				}
			}()
			return testCodec().AppendJSON(nil, Identity, in)
		}()
		if err == nil {
			t.Errorf("%s: AppendJSON = %s, want an error", name, got)
		}
	}
}

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in string
		want     node
	}{
		{"nothing", ` `, node{}},
		{"unknown members", `{"a":[1,{"b":"\u00e9"}],"words":["x"],"Words":["y"]}`, node{Words: []string{"x"}}},
		{"null is absent", `{"words":null,"leaf":{"name":null,"count":null},"shape":null}`, node{Leaf: &leaf{}}},
		{"the last of two counts", `{"words":["a","b"],"words":["c"],"shape":{"flat":"1"},"shape":{"flat":"2"}}`, node{Words: []string{"c"}, Shape: &shapeMemberFlat{"2"}}},
		{"null after a value", `{"words":["a"],"words":null}`, node{}},
		{"empty is not absent", `{"words":[],"labels":{},"leaves":[]}`, node{Words: []string{}, Labels: map[string]string{}, Leaves: []leaf{}}},
		{"escapes", `{"words":["\u00e9\ud834\udd1e\/\b\f","\ud800"],"\u0077ords2":1}`, node{Words: []string{"é𝄞/\b\f", "\ufffd"}}},
		{"escaped names", `{"\u0077ords":["a"]}`, node{Words: []string{"a"}}},
		{"integers of other languages", `{"leaf":{"count":1.0,"big":1e3}}`, node{Leaf: &leaf{Count: 1, Big: new(int64(1000))}}},
		{"special floats", `{"leaf":{"ratio":"-Infinity"}}`, node{Leaf: &leaf{Ratio: math.Inf(-1)}}},
		{"times", `{"leaf":{"at":1.6e9}}`, node{Leaf: &leaf{At: new(time.Unix(1600000000, 0).UTC())}}},
		{"times are rounded to milliseconds", `{"leaf":{"at":1619952106.0549999}}`, node{Leaf: &leaf{At: new(time.UnixMilli(1619952106055).UTC())}}},
		{"maps", `{"byColor":{"red":{"count":1},"":{}}}`, node{ByColor: map[color]leaf{"red": {Count: 1}, "": {}}}},
		{"unions", `{"shape":{"__type":"x","round":null,"flat":"f"},"shapes":[{"round":{"count":2}}]}`, node{Shape: &shapeMemberFlat{"f"}, Shapes: []shape{&shapeMemberRound{leaf{Count: 2}}}}},
		{"recursive types", `{"children":[{"children":[{"words":["x"]}]}]}`, node{Children: []node{{Children: []node{{Words: []string{"x"}}}}}}},
		{"tags", `{"x-custom":"c"}`, node{Custom: new("c")}},
	} {
		var got node
		if err := testCodec().DecodeJSON([]byte(tc.in), LowerFirst, &got); err != nil {
			t.Errorf("%s: DecodeJSON = %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestDecodeJSONFieldErrors(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"words":{}}`:                                "words: expected a list, got an object",
		`{"words":[[]]}`:                              "words[0]: expected a string, got a list",
		`{"labels":[]}`:                               "labels: expected an object, got a list",
		`{"labels":{"a":null}}`:                       `labels["a"]: expected a string, got null`,
		`{"leaves":[{"count":true}]}`:                 "leaves[0].count: expected an integer, got a boolean",
		`{"leaf":{"count":2147483648}}`:               "leaf.count: 2147483648 is out of the range of a 32-bit integer",
		`{"leaf":{"big":9223372036854775808}}`:        `leaf.big: expected an integer, got "9223372036854775808"`,
		`{"leaf":{"ratio":"1"}}`:                      "leaf.ratio: expected a number, got a string",
		`{"leaf":{"ratio":1e999}}`:                    `leaf.ratio: the number "1e999" is out of range`,
		`{"leaf":{"small":1e300}}`:                    "leaf.small: the number is out of the range of a 32-bit float",
		`{"leaf":{"at":"2026-01-01T00:00:00Z"}}`:      "leaf.at: expected a timestamp in seconds, got a string",
		`{"leaf":{"at":1e300}}`:                       "leaf.at: the timestamp is out of range",
		`{"leaf":{"bytes":"*"}}`:                      "leaf.bytes: expected base64: illegal base64 data at input byte 0",
		`{"leaf":{"on":1}}`:                           "leaf.on: expected a boolean, got a number",
		`{"shape":{}}`:                                "shape: expected one member of: round, flat",
		`{"shape":{"other":1}}`:                       "shape: expected one member of: round, flat",
		`{"shape":{"flat":"a","round":{}}}`:           "shape: more than one member of a union is set",
		`{"shapes":[{"round":{"count":"a"}}]}`:        "shapes[0].round.count: expected an integer, got a string",
		`{"children":[{},{"children":[{"leaf":1}]}]}`: "children[1].children[0].leaf: expected an object, got a number",
	} {
		var got node
		err := testCodec().DecodeJSON([]byte(in), LowerFirst, &got)
		var field *FieldError
		if !errors.As(err, &field) || field.Error() != want {
			t.Errorf("DecodeJSON(%s) = %v, want the FieldError %q", in, err, want)
		}
	}
}

func TestDecodeJSONLimits(t *testing.T) {
	t.Parallel()
	var syntax *SyntaxError
	for _, tc := range []struct {
		in   string
		want bool // to be accepted
	}{
		{`{"unknown":` + strings.Repeat("[", depthMax-1) + strings.Repeat("]", depthMax-1) + `}`, true},
		{`{"unknown":` + strings.Repeat("[", depthMax) + strings.Repeat("]", depthMax) + `}`, false},
		{strings.Repeat(`{"children":[`, depthMax/2) + strings.Repeat("]}", depthMax/2), true},
		{strings.Repeat(`{"children":[`, depthMax/2) + `{}` + strings.Repeat("]}", depthMax/2), false},
	} {
		err := testCodec().DecodeJSON([]byte(tc.in), LowerFirst, &node{})
		if (err == nil) != tc.want || (err != nil && !errors.As(err, &syntax)) {
			t.Errorf("DecodeJSON(%.40s…) = %v, want accepted %v", tc.in, err, tc.want)
		}
	}
	// 3 MB of JSON that ask for more than 64 MiB of structs.
	many := `{"leaves":[` + strings.Repeat("{},", 1<<20) + `{}]}`
	if err := testCodec().DecodeJSON([]byte(many), LowerFirst, &node{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a million structs: DecodeJSON = %v, want ErrTooLarge", err)
	}
}

func TestDecodeIntoWrongPlace(t *testing.T) {
	t.Parallel()
	for _, into := range []any{nil, node{}, (*node)(nil)} {
		if err := testCodec().DecodeJSON([]byte("{}"), Identity, into); err == nil {
			t.Errorf("DecodeJSON into %T = no error, want one", into)
		}
	}
}

// TestJSONStringsAgree: strings are written and read as encoding/json does.
func TestJSONStringsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "text") {
			s = rapid.String().Draw(t, "string")
		}
		written := AppendJSONString(nil, s)
		var back string
		if err := json.Unmarshal(written, &back); err != nil || back != string([]rune(s)) {
			t.Fatalf("%q was written as %s and read as %q (%v)", s, written, back, err)
		}
		standard, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ V string }
		if err := testCodec().DecodeJSON([]byte(`{"V":`+string(standard)+`}`), Identity, &got); err != nil || got.V != back {
			t.Fatalf("%s was read as %q (%v), want %q", standard, got.V, err, back)
		}
	})
}

// FuzzJSONSyntax: the scanner takes for JSON what encoding/json does.
func FuzzJSONSyntax(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[1,2.5e-3,"a\u00e9",true,false,null,{"a":[]}]`, `01`, `1.`, `-`, `.5`, `1e`, `"\x"`, `"\ud800"`, "\"\x01\"",
		`{"a":1,}`, `[1,]`, `[,1]`, `{"a"}`, `{1:2}`, `tru`, `nullx`, `"a`, `"\`, ` [ ] `, "\ufeff{}", `[1 2]`, `{"a":1 "b":2}`, `-0`, `00`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := scanner{data: data}
		err := s.skip()
		if err == nil {
			err = s.end()
		}
		if err != nil && strings.Contains(err.Error(), "too deep") {
			return
		}
		if got, want := err == nil, json.Valid(data); got != want {
			t.Errorf("%q: accepted %v (%v), encoding/json says %v", data, got, err, want)
		}
	})
}

// FuzzJSONDecode: whatever is decoded is the same after a round trip.
func FuzzJSONDecode(f *testing.F) {
	f.Add([]byte(`{"leaf":{"name":"a","color":"red","count":1,"big":2,"ratio":"NaN","small":1.5,"on":true,"at":1.5,"bytes":"AAE="}}`))
	f.Add([]byte(`{"shape":{"round":{}},"shapes":[{"flat":"x"}],"byColor":{"b":{}},"children":[{}],"x-custom":"c"}`))
	c := testCodec()
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second node
		if c.DecodeJSON(data, LowerFirst, &first) != nil {
			return
		}
		text, err := c.AppendJSON(nil, LowerFirst, &first)
		if err != nil {
			t.Fatalf("AppendJSON = %v", err)
		}
		if err := c.DecodeJSON(text, LowerFirst, &second); err != nil {
			t.Fatalf("DecodeJSON(%s) = %v", text, err)
		}
		if diff := cmp.Diff(first, second, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("round trip through %s (-first +second):\n%s", text, diff)
		}
	})
}
