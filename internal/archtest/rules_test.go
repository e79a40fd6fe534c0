package archtest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRulesBite proves that each rule finds what it is there for, and nothing in a tidy neighbour.
func TestRulesBite(t *testing.T) {
	t.Parallel()
	const m = `"github.com/maitred/maitred/internal/`
	long := strings.Repeat("\n", funcLinesMax)
	tests := []struct {
		name  string
		check func(*tree) []violation
		path  string
		body  string   // after the package clause
		want  []string // parts of the violations, in order
	}{
		{"model imports arn", layering, "internal/model/x.go", `import _ ` + m + `arn"`, []string{"internal/model imports internal/arn"}},
		{"model and a library", layering, "internal/model/x.go", `import _ "github.com/google/uuid"`, []string{"standard library only"}},
		{"core and a library", layering, "internal/core/place/x.go", `import _ "github.com/google/uuid"`, []string{"standard library only"}},
		{"core and model", layering, "internal/core/place/x.go", `import _ ` + m + `model"`, nil},
		{"core and store", layering, "internal/core/place/x.go", `import _ ` + m + `store"`, []string{"imports internal/store"}},
		{"core siblings", layering, "internal/core/place/x.go", `import _ ` + m + `core/health"`, []string{"imports internal/core/health"}},
		{"core's part to core", layering, "internal/core/place/x.go", `import _ ` + m + `core"`, []string{"imports internal/core,"}},
		{"core's own part", layering, "internal/core/place/x.go", `import _ ` + m + `core/place/query"`, nil},
		{"core's children", layering, "internal/core/x.go", `import _ ` + m + `core/place"`, nil},
		{"a test is exempt", layering, "internal/core/place/x_test.go", `import _ ` + m + `store"`, nil},
		{"backend to backend", layering, "internal/store/etcd/x.go", `import _ ` + m + `store/mem"`, []string{"imports internal/store/mem"}},
		{"control and core", layering, "internal/control/x.go", `import _ ` + m + `core/scaling"`, nil},
		{"control and engine", layering, "internal/control/x.go", `import _ ` + m + `engine"`, []string{"imports internal/engine"}},
		{"engine and driver", layering, "internal/engine/x.go", `import _ ` + m + `driver"`, []string{"imports internal/driver"}},
		{"agent and the interface", layering, "internal/agent/x.go", `import _ ` + m + `driver"`, nil},
		{"agent and a driver", layering, "internal/agent/x.go", `import _ ` + m + `driver/docker"`, []string{"imports internal/driver/docker"}},
		{"driver siblings", layering, "internal/driver/oci/x.go", `import _ ` + m + `driver/process"`, []string{"imports internal/driver/process"}},
		{"driver and keeper", layering, "internal/driver/process/x.go", `import _ ` + m + `driver/keeper"`, nil},
		{"api siblings", layering, "internal/api/ecs/x.go", `import _ ` + m + `api/elbv2"`, []string{"imports internal/api/elbv2"}},
		{"api and wire", layering, "internal/api/ecs/x.go", `import _ ` + m + `api/wire/codec"`, nil},
		{"api and the SDK", layering, "internal/api/ecs/x.go", `import _ "github.com/aws/aws-sdk-go-v2/service/ecs/types"`, nil},
		{"control and the SDK", layering, "internal/control/x.go", `import _ "github.com/aws/aws-sdk-go-v2/service/ecs"`, []string{"only internal/api/... and internal/source does"}},
		{"engine and etcd", layering, "internal/engine/x.go", `import _ "go.etcd.io/etcd/client/v3"`, []string{"only internal/store/etcd/... does"}},
		{"sim and the engine", layering, "internal/sim/x.go", `import _ ` + m + `engine"`, nil},
		{"sim and the fake driver", layering, "internal/sim/x.go", `import _ ` + m + `driver/fake"`, nil},
		{"sim and a real driver", layering, "internal/sim/x.go", `import _ ` + m + `driver/process"`, []string{"imports internal/driver/process"}},
		{"sim and api", layering, "internal/sim/x.go", `import _ ` + m + `api/ecs"`, []string{"imports internal/api/ecs"}},
		{"daemon and all", layering, "internal/daemon/x.go", `import _ ` + m + `api/ecs"`, nil},
		{"daemon and the fake", layering, "internal/daemon/x.go", `import _ ` + m + `driver/fake"`, []string{"which is for tests"}},
		{"cmd and daemon", layering, "cmd/maitred/x.go", `import _ ` + m + `daemon"`, nil},
		{"cmd and store", layering, "cmd/maitred/x.go", `import _ ` + m + `store"`, []string{"imports internal/store"}},
		{"a package without a row", layering, "internal/novel/x.go", `import _ ` + m + `store"`, []string{"imports internal/store"}},
		{"a program outside all layers", layering, "hack/x.go", `import _ ` + m + `store"`, nil},

		{"core and os", purity, "internal/core/place/x.go", `import _ "os"`, []string{"imports os,"}},
		{"core and context", purity, "internal/core/x.go", `import _ "context"`, []string{"imports context,"}},
		{"core and the clock", purity, "internal/core/x.go", "import t \"time\"\nvar _ = t.Now\nvar _ t.Duration", []string{"uses time.Now"}},
		{"core and chance", purity, "internal/core/x.go", "import \"math/rand/v2\"\nvar _ = rand.IntN(2)\nvar _ = rand.New(nil)", []string{"uses math/rand/v2.IntN"}},
		{"core and goroutines", purity, "internal/core/x.go", "func f() { go f() }", []string{"starts a goroutine"}},
		{"the clock elsewhere", purity, "internal/engine/x.go", "import \"time\"\nvar _ = time.Now", nil},
		{"the clock in core's tests", purity, "internal/core/x_test.go", "import \"time\"\nvar _ = time.Now", nil},

		{"core's test and a driver", coreTests, "internal/core/x_test.go", `import _ ` + m + `driver/process"`, []string{"internal/driver/process"}},
		{"core's test and the fake", coreTests, "internal/core/x_test.go", `import _ ` + m + `driver/fake"`, nil},

		{"no doc", docComments, "internal/p/x.go", "", []string{"has no comment"}},
		{"a name for anything", names, "internal/agent/utils/x.go", "", []string{"is a name for anything"}},
		{"a long file", sizes, "internal/p/x.go", strings.Repeat("\n", fileLinesMax), []string{"lines, over 500"}},
		{"a long test file", sizes, "internal/p/x_test.go", strings.Repeat("\n", fileLinesMax), nil},
		{"a long function", sizes, "internal/p/x.go", "func f() {" + long + "}", []string{"func f has 81 lines"}},
		{"just short enough", sizes, "internal/p/x.go", "func f() {" + long[1:] + "}", nil},
		{"init", inits, "internal/p/x_test.go", "func init() {}", []string{"func init"}},
		{"a method called init", inits, "internal/p/x.go", "type t int\nfunc (t) init() {}", nil},
		{"a sleep", sleeps, "internal/p/x_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }", []string{"sleeps"}},
		{"a sleep in production", sleeps, "internal/p/x.go", "import \"time\"\nfunc f() { time.Sleep(1) }", nil},
		{"a sleep in virtual time", sleeps, "internal/p/x_test.go", "import (\"time\"; \"testing/synctest\")\nfunc f() { synctest.Test(nil, func() { time.Sleep(1) }) }", nil},

		{"a counter", globalState, "internal/p/x.go", "var n int\nfunc f() { n++ }", []string{"variable n"}},
		{"a table that grows", globalState, "internal/p/x.go", "import \"os\"\nvar t = map[string]os.File{}\nfunc f() { t[\"a\"] = g() }", []string{"variable t"}},
		{"a local of the same name", globalState, "internal/p/x.go", "var n = 1\nfunc f() { n := 2; n++; _ = n }", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.check(parseTree(t, map[string]string{tt.path: "package p\n" + tt.body}))
			if len(got) != len(tt.want) {
				t.Fatalf("got %d violations, want %d: %v", len(got), len(tt.want), got)
			}
			for i, v := range got {
				if text := v.String(); !strings.Contains(text, tt.want[i]) || v.why == "" {
					t.Errorf("got %q, want it to contain %q and a reason", text, tt.want[i])
				}
			}
		})
	}
}

func TestDocComments(t *testing.T) {
	t.Parallel()
	tr := parseTree(t, map[string]string{
		"a/x.go":      "// Package a is there.\npackage a",
		"a/y.go":      "package a",
		"b/x_test.go": "// Package b is there.\npackage b_test",
		"c/main.go":   "// C does it.\npackage main",
		"d/x.go":      "// Something else.\npackage d",
	})
	got := map[string]bool{}
	for _, v := range docComments(tr) {
		got[v.where] = true
	}
	if diff := cmp.Diff(map[string]bool{"d:": true}, got); diff != "" {
		t.Errorf("packages without a comment (-want +got):\n%s", diff)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"see issue " + "#12":                               1,
		"fixes Issue " + "12 and more":                     1,
		"the issue is 12 MiB":                              0,
		"cd /wo" + "rk/main":                               1,
		"GOPROXY=proxy.gol" + "ang.org\nin session " + "3": 2,
		"a session of three":                               0,
		"https://network/hops":                             0,
	} {
		if got := words("x", text); len(got) != want {
			t.Errorf("words(%q) = %v, want %d", text, got, want)
		}
	}
}
