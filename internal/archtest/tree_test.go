package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/maitred/maitred"

// tree is the module's Go source, parsed.
type tree struct {
	fset     *token.FileSet
	packages []*pkg // sorted by dir
}

// pkg is the Go files of one folder, those of its external test package included.
type pkg struct {
	dir   string // from the module's root, with slashes: internal/core/place
	files []*file
}

type file struct {
	path      string // from the module's root, with slashes
	ast       *ast.File
	lines     int
	test      bool // its name ends in _test.go
	generated bool
}

// violation is one place that breaks a rule; why is the rule's reason.
type violation struct {
	where, what, why string
}

func (v violation) String() string { return fmt.Sprintf("%s %s\n\twhy: %s", v.where, v.what, v.why) }

// moduleRoot is the folder of the module's go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("working directory: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}

// loadTree parses the module that lies at root.
func loadTree(t *testing.T, root string) *tree {
	t.Helper()
	sources := map[string]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != root && (skippedFolder(entry.Name()) || isModule(name)) {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		sources[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatalf("reading the source tree: %v", err)
	}
	return parseTree(t, sources)
}

// skippedFolder tells folders that hold no source of the module, as the go command sees it, or only what was built.
func skippedFolder(name string) bool {
	switch name {
	case "bin", "dist", "node_modules", "testdata", "vendor":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// parseTree makes a tree of sources by path.
func parseTree(t *testing.T, sources map[string]string) *tree {
	t.Helper()
	tr := &tree{fset: token.NewFileSet()}
	byDir := map[string]*pkg{}
	for name, text := range sources {
		parsed, err := parser.ParseFile(tr.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parsing %s: %v", name, err)
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
			tr.packages = append(tr.packages, byDir[dir])
		}
		byDir[dir].files = append(byDir[dir].files, &file{
			path:      name,
			ast:       parsed,
			lines:     strings.Count(text, "\n"),
			test:      strings.HasSuffix(name, "_test.go"),
			generated: ast.IsGenerated(parsed),
		})
	}
	slices.SortFunc(tr.packages, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	for _, p := range tr.packages {
		slices.SortFunc(p.files, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	}
	return tr
}

// at is where a node stands: path:line.
func (tr *tree) at(node ast.Node) string {
	pos := tr.fset.Position(node.Pos())
	return fmt.Sprintf("%s:%d:", pos.Filename, pos.Line)
}

// imports lists what a file imports with the name that the file knows it by.
func (f *file) imports() []imported {
	var list []imported
	for _, spec := range f.ast.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted it, so it is a string
		}
		list = append(list, imported{path: target, name: importName(spec, target), spec: spec})
	}
	return list
}

type imported struct {
	path, name string
	spec       *ast.ImportSpec
}

// importName is the given name, or else the last element of the path that is no version (math/rand/v2 is rand).
func importName(spec *ast.ImportSpec, target string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	base := path.Base(target)
	if len(base) > 1 && base[0] == 'v' && base[1] >= '0' && base[1] <= '9' {
		base = path.Base(path.Dir(target))
	}
	return base
}

// standard tells paths of the standard library: their first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// inModule gives the path from the module's root of a package of this module.
func inModule(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// matches tells whether a path is the pattern's package or, with /..., one below it.
func matches(pattern, target string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return target == base || strings.HasPrefix(target, base+"/")
	}
	return target == pattern
}

func matchesAny(patterns []string, target string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, target) })
}
