package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	fileLinesMax = 500
	funcLinesMax = 80
)

// docComments wants every package to say what it is for.
func docComments(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		if !slices.ContainsFunc(p.files, documented) {
			found = append(found, violation{
				p.dir + ":", "has no comment that begins with “Package " + p.files[0].ast.Name.Name + "” (a command: with a sentence)",
				"whoever opens a package first wants to know what it is for, what flows through it, and what it guarantees",
			})
		}
	}
	return found
}

func documented(f *file) bool {
	name := f.ast.Name.Name
	text := f.ast.Doc.Text()
	return name == "main" && text != "" || strings.HasPrefix(text, "Package "+strings.TrimSuffix(name, "_test")+" ")
}

// names refuses packages whose name says nothing.
func names(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}, path.Base(p.dir)) {
			found = append(found, violation{p.dir + ":", "is a name for anything", "a package is named after what it is about; what fits nowhere has not been thought through"})
		}
	}
	return found
}

// sizes refuses long files and long functions. Tests and generated code are exempt.
func sizes(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		for _, f := range p.files {
			if f.test || f.generated {
				continue
			}
			if f.lines > fileLinesMax {
				found = append(found, violation{
					f.path + ":", fmt.Sprintf("has %d lines, over %d", f.lines, fileLinesMax), "a file is one subject that can be read in one sitting",
				})
			}
			found = append(found, longFuncs(tr, f)...)
		}
	}
	return found
}

func longFuncs(tr *tree, f *file) []violation {
	var found []violation
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := tr.fset.Position(fn.End()).Line - tr.fset.Position(fn.Pos()).Line + 1; lines > funcLinesMax {
			found = append(found, violation{
				tr.at(fn), fmt.Sprintf("func %s has %d lines, over %d", fn.Name.Name, lines, funcLinesMax),
				"a function reads as a paragraph of named steps: branch in the parent, compute in leaves",
			})
		}
	}
	return found
}

// inits refuses func init, in tests too.
func inits(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		for _, f := range p.files {
			for _, decl := range f.ast.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, violation{
						tr.at(fn), "is a func init", "what runs by being imported cannot be configured, ordered or tested; daemon and main call what they need",
					})
				}
			}
		}
	}
	return found
}

// sleeps refuses time.Sleep in tests, but for the virtual time inside testing/synctest.
func sleeps(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		for _, f := range p.files {
			if f.test || strings.HasSuffix(p.dir, "test") {
				found = append(found, sleepsIn(tr, f)...)
			}
		}
	}
	return found
}

func sleepsIn(tr *tree, f *file) []violation {
	var found []violation
	ast.Inspect(f.ast, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && f.packageOf(sel) == "testing/synctest" {
				return false
			}
		case *ast.SelectorExpr:
			if n.Sel.Name == "Sleep" && f.packageOf(n) == "time" {
				found = append(found, violation{
					tr.at(n), "sleeps in a test",
					"a sleep is too short on a busy machine and too long on all others; wait for the event, or use testing/synctest",
				})
			}
		}
		return true
	})
	return found
}

// workplace are words of the place where the product is made; the product speaks of itself alone. They are put together
// from parts, so that this file passes its own rule.
func workplace() *regexp.Regexp {
	return regexp.MustCompile(strings.Join([]string{
		`(?i)\bissues? ` + `#?\d+`,
		`/wo` + `rk/`,
		`/fa` + `rm/`,
		`proxy\.gol` + `ang\.org`,
		`(?i)\bsession ` + `\d`,
	}, "|"))
}

// words looks for them in one file's text.
func words(name, text string) []violation {
	var found []violation
	for i, line := range strings.Split(text, "\n") {
		if word := workplace().FindString(line); word != "" {
			found = append(found, violation{
				fmt.Sprintf("%s:%d:", name, i+1), fmt.Sprintf("says %q", word),
				"the repository speaks of the product alone: give the reason itself, not the place where it was found",
			})
		}
	}
	return found
}
