package codec

import (
	"encoding/xml"
	"errors"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDecodeForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in string
		style    Style
		want     node
	}{
		{"nothing", "", AWSQuery, node{}},
		{"unknown names", "A=1&Words.x=2&Leaf.B=3", AWSQuery, node{Words: []string{}, Leaf: &leaf{}}},
		{"lists by number", "Words.member.10=b&Words.member.2=a", AWSQuery, node{Words: []string{"a", "b"}}},
		{"the empty list", "Words=", AWSQuery, node{Words: []string{}}},
		{"scalars", "Leaf.Name=&Leaf.Color=red&Leaf.Count=-1&Leaf.Ratio=NaN&Leaf.On=TRUE&Leaf.At=2026-01-02T03%3A04%3A05.678Z&Leaf.Bytes=AP8%3D", AWSQuery, node{Leaf: &leaf{
			Name: new(""), Color: "red", Count: -1, Ratio: math.NaN(), On: new(true), Bytes: []byte{0, 255},
			At: new(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)),
		}}},
		{"times with an offset", "Leaf.At=2026-01-02T03:04:05%2B01:00", AWSQuery, node{Leaf: &leaf{At: new(time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC))}}},
		{"maps", "Labels.entry.1.key=a+b&Labels.entry.1.value=c%26d", AWSQuery, node{Labels: map[string]string{"a b": "c&d"}}},
		{"unions", "Shape.Flat=f&Shapes.member.1.Round.Count=1", AWSQuery, node{Shape: &shapeMemberFlat{"f"}, Shapes: []shape{&shapeMemberRound{leaf{Count: 1}}}}},
		{"the last of two counts", "x-custom=a&x-custom=b", AWSQuery, node{Custom: new("b")}},
		{"not UTF-8", "x-custom=%ff", AWSQuery, node{Custom: new("\ufffd")}},
		{"lists of EC2", "Words.1=a&Leaves.1.Count=2", EC2Query, node{Words: []string{"a"}, Leaves: []leaf{{Count: 2}}}},
	} {
		form, err := ParseForm(tc.in)
		if err != nil {
			t.Errorf("%s: ParseForm = %v", tc.name, err)
			continue
		}
		var got node
		if err := testCodec().DecodeForm(form, tc.style, &got); err != nil {
			t.Errorf("%s: DecodeForm = %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got, cmp.Comparer(sameFloat)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tc.name, diff)
		}
	}
}

func sameFloat(a, b float64) bool { return a == b || (a != a && b != b) }

func TestDecodeFormErrors(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Leaf.Count=":                        `Leaf.Count: expected an integer, got ""`,
		"Leaf.Count.x=1":                     "Leaf.Count: expected a value, got members",
		"Leaf.Ratio=0x1p4":                   `Leaf.Ratio: expected a number, got "0x1p4"`,
		"Leaf.Ratio=inf":                     `Leaf.Ratio: expected a number, got "inf"`,
		"Leaf.On=yes":                        `Leaf.On: expected true or false, got "yes"`,
		"Leaf.At=yesterday":                  `Leaf.At: expected a time as 2006-01-02T15:04:05Z, got "yesterday"`,
		"Words.member.1=a&Words.member.01=b": "Words: the list has two elements number 1",
		"Words.member.-1=a":                  `Words: expected a number in the name, got "-1"`,
		"Labels.entry.1.key=a":               "Labels[0]: expected a key and a value",
		"ByColor.entry.1.key=r&ByColor.entry.1.value.Count=x": `ByColor["r"].Count: expected an integer, got "x"`,
		"Shape.Flat=a&Shape.Round.Count=1":                    "Shape: more than one member of a union is set",
		"Shape.Other=1":                                       "Shape: expected one member of: Round, Flat",
		"Leaf.Name=a&B=%":                                     `malformed query string at byte 12: invalid URL escape "%"`,
		"Leaf.Count=" + strings.Repeat("9", 90):               "Leaf.Count: expected an integer, got \"" + strings.Repeat("9", 40) + "…\"",
	} {
		form, err := ParseForm(in)
		if err == nil {
			err = testCodec().DecodeForm(form, AWSQuery, &node{})
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: error = %v, want %q", in, err, want)
		}
	}
}

func TestFormLimits(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("a.b.c.d.e.f.g.h&", 10)
	if _, err := ParseForm(many); err != nil {
		t.Errorf("ParseForm(%s) = %v, want no error", many, err)
	}
	var wide strings.Builder
	for i := range 1 << 20 {
		wide.WriteString("&" + url.QueryEscape(string(rune(0x4E00+i%20000))) + "." + string(rune('a'+i/20000%26)) + string(rune('a'+i/520000)))
	}
	if _, err := ParseForm(wide.String()); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ParseForm of many names = %v, want ErrTooLarge", err)
	}
}

func TestAppendXML(t *testing.T) {
	t.Parallel()
	in := node{
		Leaf: &leaf{
			Name: new("<&>"), Count: 1, Ratio: math.Inf(1), On: new(false), Bytes: []byte{1},
			At: new(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600))),
		},
		Words: []string{}, Labels: map[string]string{"b": "2", "a<": "1"}, Shape: &shapeMemberFlat{"f"},
	}
	want := `<N><Leaf><Name>&lt;&amp;&gt;</Name><Count>1</Count><Ratio>Infinity</Ratio><On>false</On>` +
		`<At>2026-01-02T02:04:05.006Z</At><Bytes>AQ==</Bytes></Leaf><Words></Words>` +
		`<Labels><entry><key>a&lt;</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Labels>` +
		`<Shape><Flat>f</Flat></Shape></N>`
	got, err := testCodec().AppendXML(nil, AWSQuery, "N", in)
	if err != nil {
		t.Fatalf("AppendXML = %v", err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("AppendXML (-want +got):\n%s", diff)
	}
}

// TestXMLTextAgrees: encoding/xml reads back what was written, with U+FFFD for
// what XML cannot carry.
func TestXMLTextAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "text") {
			s = rapid.String().Draw(t, "string")
		}
		want := strings.Map(func(r rune) rune {
			if (r < ' ' && r != '\t' && r != '\n' && r != '\r') || r == 0xFFFE || r == 0xFFFF {
				return 0xFFFD
			}
			return r
		}, string([]rune(s)))
		var got string
		written := "<v>" + string(AppendXMLText(nil, s)) + "</v>"
		if err := xml.Unmarshal([]byte(written), &got); err != nil || got != want {
			t.Fatalf("%q was written as %s and read as %q (%v), want %q", s, written, got, err, want)
		}
	})
}

func TestDecodeCBORErrors(t *testing.T) {
	t.Parallel()
	under := func(name string, v cbor.Value) cbor.Value { return cbor.Map{"Leaf": cbor.Map{name: v}} }
	for _, tc := range []struct {
		in   cbor.Value
		want string
	}{
		{cbor.List{}, "expected an object, got a list"},
		{cbor.Map{"Words": cbor.Map{}}, "Words: expected a list, got an object"},
		{cbor.Map{"Words": cbor.List{&cbor.Nil{}}}, "Words[0]: expected a string, got null"},
		{cbor.Map{"Labels": cbor.List{}}, "Labels: expected an object, got a list"},
		{under("Count", cbor.Uint(1<<31)), "Leaf.Count: 2147483648 is out of the range of a 32-bit integer"},
		{under("Count", cbor.Float64(1.5)), "Leaf.Count: expected an integer, got a number"},
		{under("Big", cbor.Uint(1<<63)), "Leaf.Big: the number is out of the range of a 64-bit integer"},
		{under("Big", cbor.NegInt(0)), "Leaf.Big: the number is out of the range of a 64-bit integer"},
		{under("On", cbor.Uint(1)), "Leaf.On: expected a boolean, got a number"},
		{under("At", &cbor.Tag{ID: 0, Value: cbor.String("x")}), "Leaf.At: expected a timestamp, got a value with the tag 0"},
		{under("At", &cbor.Tag{ID: 1, Value: cbor.Float64(math.NaN())}), "Leaf.At: the timestamp is out of range"},
		{under("Bytes", cbor.String("x")), "Leaf.Bytes: expected bytes, got a string"},
		{cbor.Map{"Shape": cbor.Map{}}, "Shape: expected one member of: Round, Flat"},
	} {
		err := testCodec().DecodeCBOR(cbor.Encode(tc.in), &node{})
		var field *FieldError
		if !errors.As(err, &field) || field.Error() != tc.want {
			t.Errorf("DecodeCBOR(%v) = %v, want the FieldError %q", tc.in, err, tc.want)
		}
	}
}

func TestCBORIntegers(t *testing.T) {
	t.Parallel()
	for in, want := range map[cbor.Value]int64{
		cbor.NegInt(1 << 63): math.MinInt64, cbor.Uint(1<<63 - 1): math.MaxInt64, cbor.Float64(-3): -3, cbor.Uint(0): 0,
	} {
		var got leaf
		if err := testCodec().DecodeCBOR(cbor.Encode(cbor.Map{"Big": in}), &got); err != nil || got.Big == nil || *got.Big != want {
			t.Errorf("DecodeCBOR(%v) = %v, %v, want %d", in, got.Big, err, want)
		}
	}
}

func TestCBORLimits(t *testing.T) {
	t.Parallel()
	many := append([]byte{0x9a, 0x00, 0x20, 0x00, 0x00}, make([]byte, 1<<21)...) // a list of two million zeros
	if err := testCodec().DecodeCBOR(many, &node{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("two million items: DecodeCBOR = %v, want ErrTooLarge", err)
	}
	for depth, want := range map[int]bool{depthMax: true, depthMax + 1: false} {
		deep := append([]byte(strings.Repeat("\x81", depth)), 0)
		if got := checkCBOR(deep, new(budget(1<<20))) == nil; got != want {
			t.Errorf("%d lists in each other: accepted %v, want %v", depth, got, want)
		}
	}
}

// TestCBORCheckAgrees: the check accepts what the encoder of smithy-go writes, and
// neither a part of it nor more than it.
func TestCBORCheckAgrees(t *testing.T) {
	t.Parallel()
	accepts := func(data []byte) bool { return checkCBOR(data, new(budget(decodedBytesMax))) == nil }
	rapid.Check(t, func(t *rapid.T) {
		data := cbor.Encode(drawCBOR(t, 0))
		if !accepts(data) {
			t.Fatalf("%x was refused", data)
		}
		if accepts(append(slices.Clone(data), rapid.Byte().Draw(t, "more"))) {
			t.Fatalf("%x was accepted with a byte more", data)
		}
		if n := rapid.IntRange(0, len(data)-1).Draw(t, "length"); accepts(data[:n]) {
			t.Fatalf("%x was accepted though only %x is there", data, data[:n])
		}
	})
}

func drawCBOR(t *rapid.T, depth int) cbor.Value {
	kinds := 9
	if depth > 3 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return cbor.Uint(rapid.Uint64().Draw(t, "uint"))
	case 1:
		return cbor.NegInt(rapid.Uint64().Draw(t, "negint"))
	case 2:
		return cbor.String(rapid.String().Draw(t, "string"))
	case 3:
		return cbor.Slice(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"))
	case 4:
		return cbor.Float64(rapid.Float64().Draw(t, "float"))
	case 5:
		return &cbor.Nil{}
	case 6:
		return &cbor.Tag{ID: rapid.Uint64().Draw(t, "tag"), Value: drawCBOR(t, depth+1)}
	case 7:
		list := make(cbor.List, rapid.IntRange(0, 4).Draw(t, "length"))
		for i := range list {
			list[i] = drawCBOR(t, depth+1)
		}
		return list
	default:
		m := cbor.Map{}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			m[rapid.String().Draw(t, "key")] = drawCBOR(t, depth+1)
		}
		return m
	}
}

func TestCBORIndefiniteLengths(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"\xbf\x65Words\x9f\x61a\x7f\x61b\x61c\xff\xff\xff": true,
		"\xbf\x65Words\x9f\x61a\xff":                       false, // the map has no end
		"\xbf\x65Words\xff":                                false, // a key without a value
		"\x7f\x41a\xff":                                    false, // bytes in a string
		"\xff":                                             false,
		"\x1f":                                             false, // an integer has no indefinite length
	} {
		var got node
		err := testCodec().DecodeCBOR([]byte(in), &got)
		if (err == nil) != want {
			t.Errorf("DecodeCBOR(%x) = %v, want accepted %v", in, err, want)
		}
		if diff := cmp.Diff([]string{"a", "bc"}, got.Words); want && diff != "" {
			t.Errorf("DecodeCBOR(%x): words (-want +got):\n%s", in, diff)
		}
	}
}

func TestPlansAreShared(t *testing.T) {
	t.Parallel()
	c := testCodec()
	for range 2 {
		if _, err := c.AppendJSON(nil, LowerFirst, node{}); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := c.planOf(reflect.TypeFor[node](), LowerFirst)
	if err != nil {
		t.Fatal(err)
	}
	part, err := c.planOf(reflect.TypeFor[leaf](), LowerFirst)
	if err != nil {
		t.Fatal(err)
	}
	if whole.byName["leaf"].plan.elem != part {
		t.Error("the plan of a part was compiled twice, want it shared")
	}
	if other, err := c.planOf(reflect.TypeFor[leaf](), Identity); err != nil || other == part {
		t.Errorf("the plans of two namings are the same (%v)", err)
	}
}
