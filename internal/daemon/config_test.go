package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDataDirIsAbsolute: the Docker driver tells this maitred's containers from those of others by the data directory,
// so that the same directory must have one name, and two directories never the same.
func TestDataDirIsAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"state": filepath.Join(here, "state"), "./state/": filepath.Join(here, "state"), "/state/../other": "/other",
	} {
		c := Defaults()
		c.DataDir = given
		got, err := c.complete()
		if err != nil || got.DataDir != want {
			t.Errorf("--data-dir %s: got %s, %v, want %s", given, got.DataDir, err, want)
		}
	}
	c := Defaults()
	c.DataDir = ""
	if _, err := c.complete(); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("no data directory: got %v, want an error that names --data-dir", err)
	}
}
