//go:build linux

package oci_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// hidden looks for an environment in files: it is in the runtime's configuration, for root alone, and goes with the
// container, not only with its removal. What others ask of an ended container stays.
func hidden(b *bench) {
	spec := b.spec("a", model.ContainerDefinition{Command: []string{"trap", "terminated", "3"}})
	spec.Env = []string{"PASSWORD=canary"}
	b.start(spec)
	b.awaitLog("a", "ready")
	if got := b.exec("a", "env"); !strings.Contains(got, "PASSWORD=canary\n") {
		b.Errorf("a command in the container has the environment %q, want the container's", got)
	}
	config := filepath.Join(b.w.cfg.RunDir, "containers", "a", "config.json")
	want := []string{config}
	if filepath.Base(runtimeUnderTest()) == "crun" { // it keeps a copy beside its state, which goes with that
		want = append(want, filepath.Join(b.w.cfg.RunDir, "runtime", "a", "config.json"))
	}
	if diff := cmp.Diff(want, b.filesWith("PASSWORD=canary")); diff != "" {
		b.Errorf("files with the environment while the container runs (-want +got):\n%s", diff)
	}
	for _, path := range want {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 && !b.closed(filepath.Dir(path)) {
			b.Errorf("the configuration is %v, %v, want it for root alone", info, err)
		}
	}
	if err := b.d.Signal(b.ctx, "a", ""); err != nil {
		b.Fatal(err)
	}
	awaitEnd(b.ctx, b.T, b.d, "a")
	if _, _, err := driver.Output(b.ctx, b.d, "a", []string{"/program", "env"}); err == nil {
		b.Error("Exec in an ended container = nil, want an error")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(b.filesWith("PASSWORD=canary")) > 0 { // what has ended is cleared at once, but told before
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.Fatalf("files with the environment after the end: %q", b.filesWith("PASSWORD=canary"))
		}
	}
	if _, err := os.Stat(filepath.Dir(config)); err != nil {
		b.Errorf("the rest of the container is gone before it was removed: %v", err)
	}
}

// closed says whether a directory of the driver, or one that it is in, can be entered by root alone.
func (b *bench) closed(dir string) bool {
	for ; dir != b.w.cfg.RunDir; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 == 0 {
			return true
		}
	}
	return false
}

// filesWith lists the files of the driver that hold a text.
func (b *bench) filesWith(text string) []string {
	b.Helper()
	var found []string
	for _, dir := range []string{b.w.cfg.Dir, b.w.cfg.RunDir} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // it is gone by now
			}
			if content, _ := os.ReadFile(path); strings.Contains(string(content), text) {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return found
}
