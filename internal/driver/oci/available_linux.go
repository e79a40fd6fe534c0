package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The oldest runtimes that are used. Distributions mend the holes of their versions without changing the number, so a
// number does not tell whether that has been done: these are the oldest that the long-lived distributions still care for
// (runc 1.1.5 is Debian 12's, with the cures of CVE-2024-21626 and later) and that have all that this driver asks of
// them; crun writes its errors as lines of JSON from 1.8 on.
const (
	FloorRunc = "1.1.5"
	FloorCrun = "1.8"
)

// crun is the name of the runtime that some things are to be done otherwise for.
const crun = "crun"

// versionTimeout bounds the question for a runtime's version.
const versionTimeout = 10 * time.Second

// FindRuntime looks for runc, then crun, in PATH and where administrators' programs are.
func FindRuntime() (string, error) {
	for _, name := range []string{"runc", crun} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
		for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
			if path := filepath.Join(dir, name); unix.Access(path, unix.X_OK) == nil {
				return path, nil
			}
		}
	}
	return "", errors.New("neither runc nor crun is installed")
}

// Available says whether this machine can run containers without a daemon: by which runtime, or, as the error, in one
// sentence what it lacks. The runtime "" is looked for.
func Available(ctx context.Context, runtime string) (version string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("containers without a daemon need root, and this is uid " + strconv.Itoa(os.Geteuid()))
	}
	if runtime == "" {
		if runtime, err = FindRuntime(); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, runtime, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s does not tell its version: %w", runtime, err)
	}
	name, version, err := parseVersion(string(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", runtime, err)
	}
	if err := errors.Join(overlayKnown(), cgroupsUsable(name)); err != nil {
		return "", err
	}
	return name + " " + version, nil
}

var versionLine = regexp.MustCompile(`(?m)^(runc|crun) version (\d+)\.(\d+)(?:\.(\d+))?`)

// parseVersion reads what a runtime says of itself and compares it with the floor.
func parseVersion(text string) (name, version string, err error) {
	m := versionLine.FindStringSubmatch(text)
	if m == nil {
		return "", "", errors.New("it says neither that it is runc nor crun")
	}
	name, version = m[1], m[2]+"."+m[3]
	if m[4] != "" {
		version += "." + m[4]
	}
	floor := FloorRunc
	if name == crun {
		floor = FloorCrun
	}
	if older(version, floor) {
		return "", "", fmt.Errorf("%s %s is older than %s, the oldest that is used", name, version, floor)
	}
	return name, version, nil
}

// older compares versions, part by part as numbers.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		x, y := part(as, i), part(bs, i)
		if x != y {
			return x < y
		}
	}
	return false
}

func part(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n, _ := strconv.Atoi(parts[i]) // digits, by the expression
	return n
}

// overlayKnown says whether the kernel has overlayfs, perhaps as a module that the first mount loads.
func overlayKnown() error {
	known, err := os.ReadFile("/proc/filesystems")
	if err == nil && strings.Contains(string(known), "\toverlay\n") {
		return nil
	}
	// Mounting what cannot be mounted loads the module and changes nothing.
	if err := unix.Mount("overlay", "/", "overlay", 0, "lowerdir=/nonexistent"); errors.Is(err, unix.ENODEV) {
		return errors.New("the kernel has no overlayfs")
	}
	return nil
}

// cgroupsUsable says whether cgroups can be made, by this program and by a runtime of that name.
func cgroupsUsable(name string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	h := findHierarchies(string(mounts))
	dir := h.of("memory", "/")
	switch {
	case dir == "":
		return errors.New("no cgroup file system with the memory controller is mounted")
	case unix.Access(dir, unix.W_OK) != nil:
		return errors.New("cgroups cannot be made in " + dir + ": it is read-only here")
	case name == crun && h.roots[""] == "/sys/fs/cgroup/unified": // elsewhere it does not look
		controllers, err := os.ReadFile(filepath.Join(h.roots[""], "cgroup.controllers"))
		if err != nil {
			return err
		}
		return crunFits(strings.Fields(string(controllers)))
	}
	return nil
}

// crunFits says whether crun runs where both versions of cgroups are mounted and version 2 has some controllers.
func crunFits(controllers []string) error {
	if len(controllers) == 0 {
		return nil
	}
	return fmt.Errorf("crun does not run where both versions of cgroups have controllers, as version 2 has here (%s): "+
		"mount them all with version 1, or install runc", strings.Join(controllers, ", "))
}
