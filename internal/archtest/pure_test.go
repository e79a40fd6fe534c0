package archtest

import (
	"fmt"
	"go/ast"
	"slices"
)

const whyPure = "core is (snapshot, now, ids) → plan: the same input gives the same bytes in production, in tests, " +
	"in the simulator and in what-if; clocks, randomness, I/O and goroutines come from outside, as arguments or not at all"

// pureStandard lists what core may use of the standard library. Add to it what has no clock, no I/O, no lock and no
// randomness of its own.
func pureStandard() []string {
	return []string{
		"bytes", "cmp", "container/heap", "container/list", "container/ring", "crypto/md5", "crypto/sha1", "crypto/sha256",
		"encoding", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "hash",
		"hash/crc32", "hash/fnv", "hash/maphash", "iter", "maps", "math", "math/big", "math/bits", "math/rand", "math/rand/v2",
		"net/netip", "net/url", "path", "regexp", "slices", "sort", "strconv", "strings", "text/tabwriter", "time", "unicode",
		"unicode/utf8", "unique",
	}
}

// impure names the members of otherwise pure packages that are not.
func impure(importPath, member string) bool {
	switch importPath {
	case "time":
		return slices.Contains([]string{
			"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick", "Local", "LoadLocation",
		}, member)
	case "fmt":
		return slices.Contains([]string{"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"}, member)
	case "math/rand", "math/rand/v2":
		return !slices.Contains([]string{
			"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf",
		}, member)
	case "hash/maphash":
		return member == "MakeSeed" || member == "Hash" // their seed is random
	}
	return false
}

// purity checks core's files that are no tests.
func purity(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		if !matches("internal/core/...", p.dir) {
			continue
		}
		for _, f := range p.files {
			if !f.test {
				found = append(found, impureImports(tr, f)...)
				found = append(found, impureUses(tr, f)...)
			}
		}
	}
	return found
}

func impureImports(tr *tree, f *file) []violation {
	var found []violation
	for _, imp := range f.imports() {
		switch {
		case imp.name == ".":
			found = append(found, violation{tr.at(imp.spec), "imports " + imp.path + " without a name", "a use of it could not be recognised"})
		case standard(imp.path) && !slices.Contains(pureStandard(), imp.path):
			found = append(found, violation{
				tr.at(imp.spec), "imports " + imp.path + ", which is not among the pure packages (pureStandard)", whyPure,
			})
		}
	}
	return found
}

func impureUses(tr *tree, f *file) []violation {
	var found []violation
	ast.Inspect(f.ast, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.GoStmt:
			found = append(found, violation{tr.at(n), "starts a goroutine", whyPure})
		case *ast.SelectorExpr:
			if from := f.packageOf(n); impure(from, n.Sel.Name) {
				found = append(found, violation{tr.at(n), fmt.Sprintf("uses %s.%s", from, n.Sel.Name), whyPure})
			}
		}
		return true
	})
	return found
}

// packageOf is the import path that a selector's left side names, or "". It goes by the name alone: a variable that is
// called time in a file that imports time would be taken for it, and deserves another name.
func (f *file) packageOf(sel *ast.SelectorExpr) string {
	left, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, imp := range f.imports() {
		if imp.name == left.Name {
			return imp.path
		}
	}
	return ""
}
