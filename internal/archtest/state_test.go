package archtest

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
)

// globalState refuses assignments to package-level variables, their elements and fields. Tables, errors and regular
// expressions that are set where they are declared pass. It sees only the package itself, so a method that changes its
// receiver goes unseen.
func globalState(tr *tree) []violation {
	var found []violation
	for _, p := range tr.packages {
		var files []*ast.File
		for _, f := range p.files {
			if !f.test && !f.generated {
				files = append(files, f.ast)
			}
		}
		found = append(found, assignedGlobals(tr, p.dir, files)...)
	}
	return found
}

func assignedGlobals(tr *tree, dir string, files []*ast.File) []violation {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{
		Importer: noImports{},
		Error:    func(error) {}, // imports are not resolved, so most of what it says is noise
	}
	checked, _ := config.Check(dir, tr.fset, files, info) // with the errors seen above it is still the package
	var found []violation
	report := func(target ast.Expr) {
		id := root(target)
		if id == nil {
			return
		}
		if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == checked.Scope() {
			found = append(found, violation{
				tr.at(target), "changes the package-level variable " + id.Name,
				"state that everybody shares makes two instances in one process, and tests in parallel, impossible; give it an owner",
			})
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, target := range n.Lhs {
						report(target)
					}
				}
			case *ast.IncDecStmt:
				report(n.X)
			}
			return true
		})
	}
	return found
}

// root is the variable at the bottom of x, x.f, x[i] and *x.
func root(e ast.Expr) *ast.Ident {
	for {
		switch n := e.(type) {
		case *ast.Ident:
			return n
		case *ast.SelectorExpr:
			e = n.X
		case *ast.IndexExpr:
			e = n.X
		case *ast.StarExpr:
			e = n.X
		case *ast.ParenExpr:
			e = n.X
		default:
			return nil
		}
	}
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not resolved") }
