package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// layer says what the packages of a pattern may import of this module. The first layer that matches a package holds.
type layer struct {
	packages string
	may      []string
	never    []string // taken away from may
	why      string
}

const anything = "internal/..."

// layers is the table of the architecture. Parts of one unit (core/place and core/place/query) may always import each
// other.
func layers() []layer {
	return []layer{
		{
			packages: "internal/model",
			why:      "model is what everything else speaks in: plain values that know neither wire nor database",
		},
		{
			packages: "internal/arn",
			why:      "names are plain strings with rules; they know nothing else",
		},
		{
			packages: "internal/core",
			may:      nouns("internal/core/..."),
			why:      "core decides, purely: it puts its own parts together and knows nothing of stores, wires and drivers",
		},
		{
			packages: "internal/core/...",
			may:      nouns(),
			why: "each part of core decides one thing from model values alone; " +
				"the parts meet in core, so that each can be tested, simulated and explained alone",
		},
		{
			packages: "internal/store",
			may:      nouns(),
			why:      "the store keeps model values; what they are for is not its business",
		},
		{
			packages: "internal/store/...",
			may:      nouns("internal/store"),
			why:      "a backend implements the store's interface and does not know the other backends",
		},
		{
			packages: "internal/control/...",
			may:      nouns("internal/core/...", "internal/store", "internal/certificate"),
			why:      "a use case is a function on a transaction: it may ask core for a decision, and what a certificate says, never act outside",
		},
		{
			packages: "internal/engine/...",
			may:      nouns("internal/core/...", "internal/control", "internal/store"),
			why:      "the engine is the thin shell of core: a snapshot in, a guarded commit out; agents and balancers follow the store",
		},
		{
			packages: "internal/agent/...",
			may:      nouns("internal/driver", "internal/store", "internal/peer", "internal/reading", "internal/firewall"),
			why:      "the agent knows the driver's interface, not the drivers: daemon chooses one and hands it over",
		},
		{
			packages: "internal/driver",
			may:      nouns(),
			why:      "the interface of drivers speaks of model values only",
		},
		{
			packages: "internal/driver/...",
			may: nouns("internal/driver", "internal/driver/keeper", "internal/driver/members", "internal/driver/inside",
				"internal/driver/counters", "internal/network", "internal/image", "internal/tree"),
			why: "a driver runs containers: it knows its interface, the keeper that outlives it, what the kernel counts, networks, " +
				"images and the files inside, no store and no other driver",
		},
		{
			packages: "internal/lb/...",
			may: nouns("internal/lb/...", "internal/core/routing", "internal/core/health", "internal/store", "internal/certificate",
				"internal/firewall", "internal/reading"),
			why: "the data plane serves on when the control plane is away: it needs the route table, the thresholds, the names of " +
				"certificates, what security groups mean, and the store's watch; what it measured it tells in readings, whoever reads them",
		},
		{
			packages: "internal/api",
			may:      nouns("internal/api/...", "internal/control", "internal/store"),
			why:      "the API front end converts at the border and calls control",
		},
		{
			packages: "internal/api/logs",
			may:      shared("internal/control", "internal/store", "internal/logs/..."),
			why:      "log events are no records of the store: the API reads them from where they are kept",
		},
		{
			packages: "internal/logs/live",
			may:      nouns("internal/driver", "internal/store"),
			why:      "whose containers' lines are told, and when there are more, is in the store",
		},
		{
			packages: "internal/logs/...",
			may:      nouns("internal/driver"),
			why:      "logs come from a driver and are kept on the disk; which group they belong to is told by who starts it",
		},
		{
			packages: "internal/metrics",
			may:      nouns("internal/metrics/..."),
			why:      "measurements are no records of the store; whose they are is told by who puts them",
		},
		{
			packages: "internal/metrics/...",
			may:      nouns("internal/metrics"),
			why:      "each part of the metrics does one thing with series and points",
		},
		{
			packages: "internal/meter/...",
			may:      nouns("internal/metrics", "internal/store", "internal/peer", "internal/reading"),
			why:      "what agents and balancers measured becomes metrics by what the store says it was measured of",
		},
		{
			packages: "internal/source",
			may:      nouns("internal/metrics", "internal/store"),
			why:      "a backlog is read where a service's tag says, and becomes a metric",
		},
		{
			packages: "internal/scaler/...",
			may:      nouns("internal/core/...", "internal/control", "internal/store", "internal/metrics/..."),
			why:      "the scaler is the thin shell of core/alarm and core/scaling: measurements and a snapshot in, a guarded commit out",
		},
		{
			packages: "internal/whatif/...",
			may: nouns("internal/core/...", "internal/control", "internal/store", "internal/store/mem", "internal/scaler",
				"internal/metrics/..."),
			why: "what-if runs the production scaler over a store in memory: it is a world of one service, not a second scaler",
		},
		{
			packages: "internal/api/cloudwatch",
			may:      shared("internal/control", "internal/store", "internal/metrics/...", "internal/core/alarm"),
			why:      "measurements are no records of the store: the API reads them from where they are kept",
		},
		{
			packages: "internal/api/acm",
			may:      shared("internal/control", "internal/store", "internal/certificate"),
			why:      "a certificate for development is made by the call that requests it",
		},
		{
			packages: "internal/issuer/...",
			may:      nouns("internal/control", "internal/store", "internal/certificate"),
			why:      "the issuer does outside what a record asks for, and writes through control what came of it; balancers follow the store",
		},
		{
			packages: "internal/api/autoscaling",
			may:      shared("internal/control", "internal/store", "internal/core/schedule", "internal/metrics", "internal/metrics/expr"),
			why:      "an API converts at the border and writes through control; what a schedule means is core's business, and what a statistic means that of metrics",
		},
		{
			packages: "internal/api/apitest",
			may:      nouns("internal/api/wire", "internal/store", "internal/store/mem", "internal/testneeds"),
			why:      "the tests of all APIs have a store in memory and a clock, serve the wire, and call it by the aws CLI where there is one",
		},
		{
			packages: "internal/api/...",
			may:      shared("internal/control", "internal/store"),
			why:      "an API converts at the border, writes through control and reads the store; two APIs meet in control, never in each other",
		},
		{
			packages: "internal/sim/...",
			may:      []string{anything},
			never: append(realDrivers(), "internal/api/...", "internal/console/...", "internal/daemon/...",
				"internal/store/etcd"),
			why: "the simulated world has no wire, no real process and no real disk, or the same seed would not give the same run " +
				"(daemon would bring them all in)",
		},
		{
			packages: "internal/daemon/...",
			may:      []string{anything},
			never:    []string{"internal/sim/..."},
			why:      "daemon puts all together for production, so it holds no part of the simulated world",
		},
		{
			packages: "internal/exec/...",
			may:      nouns("internal/driver"),
			why:      "a command's streams are those of the driver's interface; where they lead is not its business",
		},
		{
			packages: "internal/keyfile",
			why:      "a file of keys does not know what the keys are for",
		},
		{
			packages: "internal/cp/...",
			may:      nouns("internal/driver", "internal/exec", "internal/tree"),
			why:      "a copy goes between a tree of this machine and a driver's, on the streams of a command",
		},
		{
			packages: "internal/metadata/...",
			may:      nouns("internal/driver", "internal/keyfile"),
			why:      "what a task is told of itself is made of model values and the driver's; who keeps them is daemon's business",
		},
		{
			packages: "internal/pick/...",
			may:      nouns("internal/store"),
			why:      "what a person means is looked up in a view",
		},
		{
			packages: "internal/secrets/...",
			may:      nouns("internal/store", "internal/keyfile"),
			why:      "sealed values are looked up in a view; whom they are for is the business of who asks",
		},
		{
			packages: "internal/why/...",
			may:      nouns("internal/core/...", "internal/store"),
			why:      "a story is told from a view, with core's own explanations; it changes nothing",
		},
		{
			packages: "internal/top/gather",
			may:      nouns("internal/control", "internal/store", "internal/metrics", "internal/top"),
			why:      "a snapshot is taken of what the store says runs and of what was measured of it",
		},
		{
			packages: "internal/cli/...",
			may:      nouns("internal/why", "internal/whatif", "internal/top"),
			why:      "cli writes for people what others found out, once or live",
		},
		{
			packages: "cmd/...",
			may:      []string{"internal/daemon", "internal/cli/..."},
			why:      "a verb turns flags into daemon.Config, calls daemon and prints: all else belongs where it can be tested",
		},
		{
			packages: "maitredtest/...",
			may:      []string{anything},
			never:    []string{"internal/sim/..."},
			why:      "it runs what a user runs",
		},
		{packages: "test/...", may: []string{anything, "maitredtest"}, why: "end-to-end tests may look at everything but the verbs"},
		{packages: "bench/...", may: []string{anything, "maitredtest"}, why: "benchmarks may look at everything but the verbs"},
		{
			packages: "examples/...",
			may:      []string{"maitredtest"},
			why:      "an example shows what somebody outside can do, and internal packages are closed to them",
		},
		{
			packages: "internal/...",
			may:      nouns(),
			why: "a package that the table of layers in internal/archtest does not name is a leaf that imports model and arn only; " +
				"give it a row of its own if it has a reason to know more",
		},
	}
}

// shared adds what all APIs are made with.
func shared(more ...string) []string {
	return nouns(append([]string{"internal/api/wire/...", "internal/api/usecase", "internal/api/paging", "internal/api/constraint"}, more...)...)
}

// nouns adds the two packages that everything above them may import.
func nouns(more ...string) []string {
	return append([]string{"internal/model", "internal/arn"}, more...)
}

func realDrivers() []string {
	return []string{"internal/driver/process/...", "internal/driver/oci/...", "internal/driver/docker/...", "internal/driver/keeper/..."}
}

// testSupport is imported by tests, and by what exists for tests, only.
func testSupport() []string {
	return []string{
		"internal/archtest", "internal/testneeds", "internal/api/apitest", "internal/store/storetest", "internal/driver/drivertest",
		"internal/driver/fake", "internal/issuer/acmetest", "maitredtest/...", "test/...", "bench/...", "internal/sim/...",
	}
}

// owner says that one part of the tree alone imports a library.
type owner struct {
	library  string // with /... all below it
	packages []string
	why      string
}

func owners() []owner {
	return []owner{
		{
			library: "github.com/aws/aws-sdk-go-v2/service/...", packages: []string{"internal/api/...", "internal/source"}, // which is a client of other people's queues
			why: "the SDK's types are the wire; inside, model's are used, so that an SDK upgrade touches internal/api alone",
		},
		{
			library: "go.etcd.io/...", packages: []string{"internal/store/etcd/..."},
			why: "etcd is one backend of the store; all others see store's interface",
		},
		{
			library: "github.com/moby/moby/...", packages: []string{"internal/driver/docker/...", "bench"}, // which measures Docker itself
			why: "Docker is one driver; all others see driver's interface",
		},
		{
			library: "github.com/gdamore/tcell/v3/...", packages: []string{"internal/top"},
			why: "the live view alone draws on the terminal and reads its keys; all others write text",
		},
	}
}

// layering checks every import of files that are no tests.
func layering(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, imp := range f.imports() {
				if what, why := refuseImport(p.dir, imp.path); what != "" {
					found = append(found, violation{tr.at(imp.spec), what, why})
				}
			}
		}
	}
	return found
}

// refuseImport says what is wrong with an import and why, or "".
func refuseImport(from, importPath string) (what, why string) {
	for _, o := range owners() {
		if matches(o.library, importPath) && !matchesAny(o.packages, from) {
			return fmt.Sprintf("%s imports %s, which only %s does", from, importPath, strings.Join(o.packages, " and ")), o.why
		}
	}
	target, ours := inModule(importPath)
	if !ours {
		if plain(from) && !standard(importPath) {
			return fmt.Sprintf("%s imports %s, and it may import the standard library only", from, importPath),
				"the nouns and the decisions are understood, tested and kept for years without anybody else's code"
		}
		return "", ""
	}
	if matchesAny(testSupport(), target) && !matchesAny(testSupport(), from) {
		return fmt.Sprintf("%s imports %s, which is for tests", from, target), "what only tests need has no place in the binary"
	}
	l := layerOf(from)
	if l == nil || unit(from) == unit(target) || matchesAny(l.may, target) && !matchesAny(l.never, target) {
		return "", ""
	}
	return fmt.Sprintf("%s imports %s, and it may import %s", from, target, l.allowed()), l.why
}

// plain tells packages that import nothing from outside the standard library and this module.
func plain(dir string) bool {
	return matchesAny([]string{"internal/model", "internal/arn", "internal/core/..."}, dir)
}

func layerOf(dir string) *layer {
	all := layers()
	if i := slices.IndexFunc(all, func(l layer) bool { return matches(l.packages, dir) }); i >= 0 {
		return &all[i]
	}
	return nil
}

func (l layer) allowed() string {
	if len(l.may) == 0 {
		return "nothing of this module"
	}
	text := strings.Join(l.may, ", ")
	if len(l.never) > 0 {
		text += " but " + strings.Join(l.never, ", ")
	}
	return text
}

// unit is the part of the tree that counts as one: internal/core/place with all below it, internal/agent with all below
// it. The families' roots (internal/core) are units of their own.
func unit(dir string) string {
	parts := strings.Split(dir, "/")
	depth := 2
	if len(parts) > 2 && slices.Contains([]string{"api", "core", "driver", "lb", "store"}, parts[1]) {
		depth = 3
	}
	return strings.Join(parts[:min(depth, len(parts))], "/")
}

// coreTests checks what tests of core import: they are exempt from the layers, but need no real driver.
func coreTests(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		if !matches("internal/core/...", p.dir) {
			continue
		}
		for _, f := range p.files {
			for _, imp := range f.imports() {
				if target, ok := inModule(imp.path); ok && f.test && matchesAny(realDrivers(), target) {
					found = append(found, violation{
						tr.at(imp.spec), "a test of core imports " + target,
						"what is decided purely is tested purely; real processes belong to the drivers' own tests",
					})
				}
			}
		}
	}
	return found
}
