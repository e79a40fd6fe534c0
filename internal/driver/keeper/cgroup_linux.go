package keeper

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroups makes a cgroup (version 2) for each container, where that is possible: below the keeper's own one. No
// controller is used; the cgroup only tells exactly which processes a container consists of, and kills them at one
// stroke. It costs about 0.1 ms a start.
type cgroups struct {
	base string // "" where there are none
}

// newCgroups looks whether the keeper may make cgroups. The name keeps the keepers of several directories apart.
func newCgroups(dir string) cgroups {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return cgroups{}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return cgroups{}
	}
	parent := ownCgroup(string(mounts), string(own))
	if parent == "" || unix.Access(filepath.Join(parent, "cgroup.procs"), unix.W_OK) != nil {
		return cgroups{}
	}
	sum := sha256.Sum256([]byte(dir))
	base := filepath.Join(parent, "maitred-"+hex.EncodeToString(sum[:6]))
	if err := os.Mkdir(base, 0o750); err != nil && !os.IsExist(err) {
		return cgroups{}
	}
	// The file that kills came with Linux 5.14; what starts a process inside a cgroup (5.7) is older.
	if unix.Access(filepath.Join(base, "cgroup.kill"), unix.W_OK) != nil {
		_ = os.Remove(base)
		return cgroups{}
	}
	g := cgroups{base: base}
	if !g.probe() {
		_ = os.Remove(base)
		return cgroups{}
	}
	return g
}

// probe tries whether a process can be started in a new cgroup. Linux kills it at once when the keeper's own cgroup was
// ever killed as a whole (seen with 6.18: it compares the counts of kills of the two cgroups, not of the same one). What
// is executed does not exist: a child that lives long enough says so.
func (g cgroups) probe() bool {
	path := filepath.Join(g.base, "probe")
	if err := os.Mkdir(path, 0o750); err != nil {
		return false
	}
	defer func() { _ = os.Remove(path) }()
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	pid, err := syscall.ForkExec(filepath.Join(path, "absent"), nil, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd},
	})
	if err == nil {
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
	return errors.Is(err, unix.ENOENT)
}

// ownCgroup finds the directory of this process's own cgroup from /proc/self/mountinfo and /proc/self/cgroup, "" if
// there is none.
func ownCgroup(mountinfo, cgroup string) string {
	path := ""
	for line := range strings.Lines(cgroup) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path = rest
		}
	}
	if path == "" || strings.HasPrefix(path, "/..") {
		return "" // no version 2, or outside of what is mounted here
	}
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			if below, ok := strings.CutPrefix(path, strings.TrimSuffix(fields[3], "/")); ok {
				return filepath.Join(fields[4], below)
			}
		}
	}
	return ""
}

// path names the cgroup of the n'th start of this keeper; "" where there are none. No name is used twice, because
// whatever is started in a cgroup that was once killed is killed too (see probe).
func (g cgroups) path(id string, n int) string {
	if g.base == "" {
		return ""
	}
	return filepath.Join(g.base, fmt.Sprintf("%s.%d.%d", url.PathEscape(id), os.Getpid(), n))
}

// list names the cgroups that there are.
func (g cgroups) list() []string {
	if g.base == "" {
		return nil
	}
	entries, _ := os.ReadDir(g.base) // none are listed if it cannot be read
	var paths []string
	for _, e := range entries {
		if e.IsDir() {
			paths = append(paths, filepath.Join(g.base, e.Name()))
		}
	}
	return paths
}

// makeCgroup makes a cgroup; for "" it does nothing.
func makeCgroup(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Mkdir(path, 0o750); err != nil {
		return fmt.Errorf("make a cgroup: %w", err)
	}
	return nil
}

// killCgroup kills all processes of a cgroup.
func killCgroup(path string) error {
	return os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0)
}

// cgroupPids lists the processes of a cgroup.
func cgroupPids(path string) []int {
	content, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
	if err != nil {
		return nil
	}
	return numbers(strings.Fields(string(content)))
}

// removeCgroup removes a cgroup and says whether it is gone; it stays while a process is in it.
func removeCgroup(path string) bool {
	err := unix.Rmdir(path)
	return err == nil || errors.Is(err, unix.ENOENT)
}
