package archtest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rule is a check of the whole tree.
type rule struct {
	name  string
	check func(*tree) []violation
}

func rules() []rule {
	return []rule{
		{"imports follow the layers", layering},
		{"core is pure", purity},
		{"tests of core need no real driver", coreTests},
		{"packages say what they are for", docComments},
		{"packages have names", names},
		{"files and functions are short", sizes},
		{"nothing runs by being imported", inits},
		{"tests do not sleep", sleeps},
		{"no global state", globalState},
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	tr := loadTree(t, moduleRoot(t))
	if len(tr.packages) == 0 {
		t.Fatal("no package found: the rules would hold of nothing")
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range r.check(tr) {
				t.Error(v)
			}
		})
	}
}

func TestWordsOfTheProduct(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	names := trackedFiles(t, root)
	if len(names) == 0 {
		t.Fatal("no file found: the rule would hold of nothing")
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) || bytes.IndexByte(text, 0) >= 0 {
			continue // deleted and not yet committed, or no text
		}
		if err != nil {
			t.Fatalf("reading: %v", err)
		}
		for _, v := range words(name, string(text)) {
			t.Error(v)
		}
	}
}

// trackedFiles asks git; in an unpacked archive, or without git, it takes all files that are not built.
func trackedFiles(t *testing.T, root string) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	list.Dir = root
	if out, err := list.Output(); err == nil && len(out) > 0 {
		return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	}
	var names []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if base := entry.Name(); base == ".git" || base == "bin" || base == "dist" || base == "node_modules" {
				return filepath.SkipDir
			}
		case entry.Type().IsRegular():
			rel, err := filepath.Rel(root, name)
			names = append(names, rel)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatalf("listing files: %v", err)
	}
	return names
}

func TestRepositoryFiles(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	for name, want := range map[string]string{
		"LICENSE":      "Apache License\n                           Version 2.0",
		"CHANGELOG.md": "\n## [Unreleased]\n",
	} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Errorf("%s: %v (users look for it before anything else)", name, err)
			continue
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s does not contain %q", name, want)
		}
	}
}
