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

// TestAddresses: what others could not use is refused, with the name of the flag.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"": "", "127.0.0.1:0": "", "10.0.0.7:6249": "", "0.0.0.0:6249": "--peer-listen", "[::]:6249": "--peer-listen", ":6249": "--peer-listen", "6249": "--peer-listen",
	} {
		c := Defaults()
		c.Server, c.PeerListen = true, given
		if err := c.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("--peer-listen %q: %v", given, err)
		}
	}
	for given, ok := range map[string]bool{"": true, "off": true, "127.0.0.1:6250": true, "0.0.0.0:6250": true, "6250": false, "on": false} {
		c := Defaults()
		c.Agent, c.MetricsListen = true, given
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("--metrics-listen %q: %v", given, err)
		}
	}
}
