// Package archtest holds the rules of this repository as tests: who may import whom, what the pure core may not touch,
// how long a file and a function may grow, which words have no place in the product.
//
// It has no code of its own: `go test ./internal/archtest` reads the source tree from the module's root, parses every
// Go file whatever its build tags, and names each violation with the reason of the rule that it breaks. A rule for a
// package that does not exist is silent. To change a rule, change its row here together with ARCHITECTURE.md.
package archtest
