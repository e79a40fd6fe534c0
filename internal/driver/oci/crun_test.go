//go:build linux

package oci_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver/oci"
	"github.com/maitred/maitred/internal/testneeds"
)

// The environment of the process that TestCrun starts.
const (
	otherRuntime = "OCI_TEST_RUNTIME" // an absolute path
	ownView      = "OCI_TEST_OWN_VIEW"
)

// TestCrun runs the tests of real containers once more, with crun: in a process of its own, for on a machine that has
// controllers in both versions of cgroups crun runs only where nothing is seen of version 2.
func TestCrun(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	crun := testneeds.Command(t, "crun")
	if os.Getenv(otherRuntime) != "" {
		t.Skip("this is that process")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.v", "-test.run=^(TestConformance|TestReal|TestNetworks|TestStartCutShort|TestLeftovers|Test.*Killed.*)$", "-test.timeout=20m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	tests := exec.CommandContext(t.Context(), self, args...)
	tests.Env = append(os.Environ(), otherRuntime+"="+crun)
	if _, err := oci.Available(t.Context(), crun); err != nil {
		t.Logf("with a view of cgroups of its own: %v", err)
		tests.Env = append(tests.Env, ownView+"=1")
		tests.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS} // private mounts
	}
	out, err := tests.CombinedOutput()
	if err != nil {
		t.Errorf("the tests with crun: %v\n%s", err, out)
	}
	for _, name := range []string{"TestConformance", "TestReal"} {
		if err == nil && !strings.Contains(string(out), "--- PASS: "+name+" ") {
			t.Errorf("%s did not run with crun:\n%s", name, out)
		}
	}
}

// hideUnified replaces what this process sees of cgroups by the hierarchies of version 1 alone.
func hideUnified() error {
	const root = "/sys/fs/cgroup"
	view, err := os.MkdirTemp("", "cgroups")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(view) }()
	if err := unix.Mount("tmpfs", view, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	all, err := filepath.Glob(root + "/*/cgroup.clone_children") // of version 1 only
	if err != nil {
		return err
	}
	for _, file := range all {
		dir := filepath.Join(view, filepath.Base(filepath.Dir(file)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(filepath.Dir(file), dir, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
		return err
	}
	return unix.Mount(view, root, "", unix.MS_MOVE, "")
}
