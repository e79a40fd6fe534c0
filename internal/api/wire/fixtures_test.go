package wire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

const sdkServices = "github.com/aws/aws-sdk-go-v2/service/"

// moduleDir returns the folder of a service's SDK module: it ships fixtures of
// requests and answers.
func moduleDir(t *testing.T, service string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", sdkServices+service).Output()
	if err != nil {
		t.Fatalf("go list -m %s = %v", service, err)
	}
	return strings.TrimSpace(string(out))
}

// fixture is one file: what stands before the first line of headers, and the body.
type fixture struct {
	name string // of the operation or the error
	path string // requests: of the URL
	body []byte
}

// fixtures reads the files of a kind: "request", "response" or "error". A file is
// a line, a blank line if it is a request, headers, a blank line, and the body.
func fixtures(t *testing.T, service, kind string) []fixture {
	t.Helper()
	folder := map[string]string{"request": "request", "response": "response", "error": "response"}[kind]
	suffix := "." + kind + ".snap"
	files, err := filepath.Glob(filepath.Join(moduleDir(t, service), folder+"_snapshot", "*"+suffix))
	if err != nil || len(files) == 0 {
		t.Fatalf("fixtures of %s (%s): %d files, error %v", service, kind, len(files), err)
	}
	var all []fixture
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, rest, _ := bytes.Cut(content, []byte("\n"))
		_, body, found := bytes.Cut(bytes.TrimLeft(rest, "\n"), []byte("\n\n"))
		if !found {
			t.Fatalf("%s: no blank line before the body", file)
		}
		_, path, _ := strings.Cut(string(first), " ")
		all = append(all, fixture{name: strings.TrimSuffix(filepath.Base(file), suffix), path: path, body: body})
	}
	return all
}

// structOf returns a new Input or Output struct for a fixture.
func structOf(t *testing.T, d dialect, kind, operation string) (reflect.Value, bool) {
	t.Helper()
	for _, op := range d.operations() {
		if op.Name == operation {
			if kind == "request" {
				return reflect.New(op.Input), true
			}
			return reflect.New(op.Output), true
		}
	}
	return reflect.Value{}, false
}

func dialectNamed(t *testing.T, name string) dialect {
	t.Helper()
	for _, d := range dialects {
		if d.name == name {
			return d
		}
	}
	t.Fatalf("no dialect %s", name)
	return dialect{}
}

func TestJSONFixtures(t *testing.T) {
	t.Parallel()
	c := newCodec()
	for _, tc := range []struct {
		dialect, module string
		kinds           []string
	}{
		{"ecs/json-1.1", "ecs", []string{"request", "response"}},
		{"logs/json-1.1", "cloudwatchlogs", []string{"request", "response"}},
	} {
		d := dialectNamed(t, tc.dialect)
		for _, kind := range tc.kinds {
			for _, f := range fixtures(t, tc.module, kind) {
				v, ok := structOf(t, d, kind, f.name)
				if !ok || eventStreams[f.name] {
					continue
				}
				if err := c.DecodeJSON(f.body, d.service.Naming, v.Interface()); err != nil {
					t.Errorf("%s %s %s: decode = %v", tc.module, kind, f.name, err)
					continue
				}
				again, err := c.AppendJSON(nil, d.service.Naming, v.Interface())
				if err != nil {
					t.Errorf("%s %s %s: encode = %v", tc.module, kind, f.name, err)
					continue
				}
				want := f.body
				if len(want) == 0 {
					want = []byte("{}")
				}
				if diff := cmp.Diff(jsonTree(t, want), jsonTree(t, again)); diff != "" {
					t.Errorf("%s %s %s: (-fixture +encoded again):\n%s", tc.module, kind, f.name, diff)
				}
			}
		}
	}
}

func jsonTree(t *testing.T, text []byte) any {
	t.Helper()
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatalf("not JSON: %v: %s", err, text)
	}
	return tree
}

func TestCBORFixtures(t *testing.T) {
	t.Parallel()
	c := newCodec()
	d := dialectNamed(t, "cloudwatch/cbor")
	for _, kind := range []string{"request", "response"} {
		for _, f := range fixtures(t, "cloudwatch", kind) {
			v, ok := structOf(t, d, kind, f.name)
			if !ok {
				t.Errorf("%s %s: no such operation", kind, f.name)
				continue
			}
			if err := c.DecodeCBOR(f.body, v.Interface()); err != nil {
				t.Errorf("%s %s: decode = %v", kind, f.name, err)
				continue
			}
			again, err := c.EncodeCBOR(v.Interface())
			if err != nil {
				t.Errorf("%s %s: encode = %v", kind, f.name, err)
				continue
			}
			if diff := cmp.Diff(cborTree(t, f.body), cborTree(t, again)); diff != "" {
				t.Errorf("%s %s: (-fixture +encoded again):\n%s", kind, f.name, diff)
			}
		}
	}
}

// cborTree decodes CBOR; an empty body is an empty map.
func cborTree(t *testing.T, b []byte) cbor.Value {
	t.Helper()
	if len(b) == 0 {
		return cbor.Map{}
	}
	v, err := cbor.Decode(b)
	if err != nil {
		t.Fatalf("not CBOR: %v", err)
	}
	return v
}

// TestQueryFixtures decodes the forms of elbv2 and sts and lets the real client
// write them again: there is no encoder of forms on this side.
func TestQueryFixtures(t *testing.T) {
	t.Parallel()
	c := newCodec()
	for _, tc := range []struct{ dialect, module string }{
		{"elbv2/query", "elasticloadbalancingv2"},
		{"sts/query", "sts"},
	} {
		d := dialectNamed(t, tc.dialect)
		for _, f := range fixtures(t, tc.module, "request") {
			v, ok := structOf(t, d, "request", f.name)
			if !ok {
				t.Errorf("%s %s: no such operation", tc.module, f.name)
				continue
			}
			form, err := codec.ParseForm(string(f.body))
			if err != nil {
				t.Errorf("%s %s: parse = %v", tc.module, f.name, err)
				continue
			}
			if err := c.DecodeForm(form, codec.AWSQuery, v.Interface()); err != nil {
				t.Errorf("%s %s: decode = %v", tc.module, f.name, err)
				continue
			}
			again := formSentFor(t, d, f.name, v.Interface())
			if diff := cmp.Diff(formPairs(f.body), formPairs(again)); diff != "" {
				t.Errorf("%s %s: (-fixture +sent again):\n%s", tc.module, f.name, diff)
			}
		}
	}
}

// formSentFor returns the body that the real client sends for an input.
func formSentFor(t *testing.T, d dialect, operation string, in any) []byte {
	t.Helper()
	var body bytes.Buffer
	client := d.client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := body.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusBadRequest) // what the client reads does not matter
	}))
	_, _ = invoke(client, operation, in)
	return body.Bytes()
}

// formPairs is the set of pairs of a form: their order means nothing, and some
// fixtures do not escape their values.
func formPairs(body []byte) map[string]int {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := r.ParseForm(); err != nil {
		return map[string]int{err.Error(): 1}
	}
	pairs := map[string]int{}
	for name, values := range r.PostForm {
		for _, value := range values {
			pairs[name+"="+value]++
		}
	}
	return pairs
}

// TestRequestFixturesAreRouted sends every shipped request to the handler.
func TestRequestFixturesAreRouted(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ dialect, module, contentType string }{
		{"elbv2/query", "elasticloadbalancingv2", "application/x-www-form-urlencoded"},
		{"cloudwatch/cbor", "cloudwatch", "application/cbor"},
	} {
		d := dialectNamed(t, tc.dialect)
		h, e := newEcho(t, d)
		for _, f := range fixtures(t, tc.module, "request") {
			v, _ := structOf(t, d, "response", f.name)
			e.request, e.output = nil, v.Interface()
			r := httptest.NewRequest(http.MethodPost, f.path, bytes.NewReader(f.body))
			r.Header.Set("Content-Type", tc.contentType)
			if d.protocol == ProtocolCBOR {
				r.Header.Set(smithyProtocol, string(ProtocolCBOR))
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusOK || e.request == nil || e.request.Operation != f.name {
				t.Errorf("%s %s: status %d, request %+v, body %.200s", tc.module, f.name, w.Code, e.request, w.Body)
			}
		}
	}
}

// declaredMembers finds the members of a union in the source of a module.
func declaredMembers(t *testing.T, service, union string) []string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(moduleDir(t, service), "types", "types.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^type `+union+`Member(\w+) struct`).FindAllSubmatch(source, -1) {
		names = append(names, string(m[1]))
	}
	return names
}
