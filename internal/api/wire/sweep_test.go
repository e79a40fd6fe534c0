package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/document"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// eventStreams are the operations whose answer is a stream of events, which is
// not a body that an Output struct describes: the struct's stream is an
// unexported field that only the SDK can set.
var eventStreams = map[string]bool{
	"StartLiveTail": true,
	"GetLogObject":  true,
}

var (
	plainText = []rune("abc <&>\"'é/+=%Z;.\\\t\n→𝄞")
	wildText  = append([]rune("\x00\x01\b\f\r\x1f\x7f\u2028\uFFFD"), plainText...)
)

// sweepRound is one way to fill.
type sweepRound struct {
	name         string
	present      float64
	empties      bool
	emptyStructs bool
}

var sweepRounds = []sweepRound{
	{"full", 1, false, false},
	{"full", 1, false, false},
	{"most", 0.8, true, false},
	{"sparse", 0.4, true, true},
	{"sparse", 0.4, true, true},
	{"sparsest", 0.1, true, true},
}

func (d dialect) filler(tb testing.TB, op string, round int) *filler {
	r := sweepRounds[round]
	f := &filler{
		tb: tb, rnd: seeded(d.name+op, round), present: r.present,
		emptyLists: r.empties, emptyMaps: r.empties, emptyStructs: r.emptyStructs, alphabet: wildText,
	}
	if d.protocol == ProtocolQuery {
		f.alphabet = plainText
		// A form has no name for structs and maps without members.
		f.emptyStructs, f.emptyMaps = false, false
	}
	return f
}

// sameValue compares Input and Output structs: all fields, nil and empty apart.
var sameValue = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmpopts.EquateNaNs(),
	cmp.Comparer(func(a, b document.Interface) bool { return documentText(a) == documentText(b) }),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".ResultMetadata" }, cmp.Ignore()),
}

func documentText(d document.Interface) string {
	if d == nil {
		return ""
	}
	b, err := d.MarshalSmithyDocument()
	if err != nil {
		return err.Error()
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		return err.Error()
	}
	return fmt.Sprint(tree) // the same for all ways to escape; fmt sorts keys
}

// TestSweep sends random inputs of every operation from the real SDK client
// through the handler, and random outputs back: both sides must see the same.
func TestSweep(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			h, e := newEcho(t, d)
			client := d.client(h)
			trips := 0
			for _, op := range d.operations() {
				if eventStreams[op.Name] {
					continue
				}
				for round := range sweepRounds {
					sweepOne(t, d, client, e, op, round)
					trips++
				}
			}
			if trips == 0 {
				t.Error("no operation was tried")
			}
			t.Logf("%d round trips", trips)
		})
	}
}

func sweepOne(t *testing.T, d dialect, client any, e *echo, op ClientOperation, round int) {
	t.Helper()
	f := d.filler(t, op.Name, round)
	in, out := reflect.New(op.Input), reflect.New(op.Output)
	f.fill(in.Elem(), 0)
	f.emptyMaps = sweepRounds[round].empties // XML has a name for them
	f.fill(out.Elem(), 0)
	e.request, e.input, e.output = nil, nil, out.Interface()
	where := fmt.Sprintf("%s, round %d (%s)", op.Name, round, sweepRounds[round].name)

	got, err := invoke(client, op.Name, in.Interface())
	if err != nil {
		t.Errorf("%s: call = %v, want no error", where, err)
		return
	}
	if diff := cmp.Diff(in.Interface(), e.input, sameValue); diff != "" {
		t.Errorf("%s: input (-sent +received):\n%s", where, diff)
	}
	if diff := cmp.Diff(out.Interface(), got, sameValue); diff != "" {
		t.Errorf("%s: output (-answered +received):\n%s", where, diff)
	}
	want := Request{
		Service: d.service.Name, Operation: op.Name, Protocol: d.protocol, Region: testRegion,
		AccessKeyID: "AKIDTEST", RemoteAddr: "192.0.2.1:1234",
	}
	if e.request == nil {
		t.Errorf("%s: the operation was not called", where)
		return
	}
	request := *e.request
	if request.RequestID == "" {
		t.Errorf("%s: no request id", where)
	}
	request.RequestID, request.BodyBytes = "", 0 // as the client happens to write it
	if op.Name == "AssumeRoleWithSAML" || op.Name == "AssumeRoleWithWebIdentity" {
		want.AccessKeyID, want.Region = "", defaultRegion // these are not signed
	}
	if diff := cmp.Diff(want, request); diff != "" {
		t.Errorf("%s: request (-want +got):\n%s", where, diff)
	}
}
