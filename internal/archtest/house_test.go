package archtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// plan is what ARCHITECTURE.md says of the tree.
type plan struct {
	house string   // the list of folders
	files []string // that are named elsewhere, below internal/ where nothing else is said
}

// readPlan takes ARCHITECTURE.md apart.
func readPlan(text string) plan {
	_, rest, _ := strings.Cut(text, "## The house\n\n```\n")
	house, rest, _ := strings.Cut(rest, "\n```\n")
	return plan{house: house, files: regexp.MustCompile(`[a-z0-9_]+(?:/[a-z0-9_]+)+\.go\b`).FindAllString(rest, -1)}
}

// entries are the texts of the list by folder: internal/ has those of its folders, the others stand for themselves.
func (p plan) entries() map[string]string {
	entries, at := map[string]string{}, ""
	for line := range strings.SplitSeq(p.house, "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch indent {
		case 0:
			at = strings.TrimSuffix(name, "/")
		case 2:
			at = "internal/" + strings.TrimSuffix(name, "/")
		}
		entries[at] += line + "\n"
	}
	return entries
}

// missing says what the list of folders lacks of the packages in dirs.
func (p plan) missing(dirs []string) (lacks []string) {
	entries := p.entries()
	for _, dir := range dirs {
		parts := strings.Split(dir, "/")
		at := parts[0]
		if at == "internal" && len(parts) > 1 {
			at = path.Join(parts[:2]...)
			parts = parts[1:]
		}
		for _, part := range parts {
			if !strings.Contains(entries[at]+entries[dir], part+"/") {
				lacks = append(lacks, fmt.Sprintf("%s: the list of folders in ARCHITECTURE.md has no %s/ in it", dir, part))
				break
			}
		}
	}
	return lacks
}

func TestHouseIsAsDrawn(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	p := readPlan(string(text))
	var dirs []string
	for _, pkg := range loadTree(t, root).packages {
		if top, _, _ := strings.Cut(pkg.dir, "/"); top != "bench" && top != "test" { // which are one entry each
			dirs = append(dirs, pkg.dir)
		}
	}
	for _, lack := range p.missing(dirs) {
		t.Error(lack)
	}
	for dir := range p.entries() {
		if _, err := os.Stat(filepath.Join(root, dir)); err != nil {
			t.Errorf("the list of folders in ARCHITECTURE.md has %s, which is not there", dir)
		}
	}
	if len(p.files) == 0 {
		t.Error("ARCHITECTURE.md names no file: the rule would hold of nothing")
	}
	for _, file := range p.files {
		_, below := os.Stat(filepath.Join(root, "internal", file))
		if _, err := os.Stat(filepath.Join(root, file)); err != nil && below != nil {
			t.Errorf("ARCHITECTURE.md names %s, which is not there", file)
		}
	}
}

func TestHouseRuleBites(t *testing.T) {
	t.Parallel()
	p := readPlan("## The house\n\n```\ncmd/a/   verbs\ninternal/\n  b/   one;  c/ in it\n    d/   two\n```\n\nsee `b/c/x.go`\n")
	if got := p.missing([]string{"cmd/a", "internal/b", "internal/b/c", "internal/b/d"}); len(got) != 0 {
		t.Errorf("got %q of what is listed, want nothing", got)
	}
	if got := p.missing([]string{"internal/b/e", "internal/f"}); len(got) != 2 {
		t.Errorf("got %q, want internal/b/e and internal/f to be missing", got)
	}
	if len(p.files) != 1 || p.files[0] != "b/c/x.go" {
		t.Errorf("got files %q, want b/c/x.go", p.files)
	}
}
