package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/counters"
)

// hierarchies are the cgroup file systems of this machine.
type hierarchies struct {
	unified string            // the root of version 2 with its controllers; "" where there is version 1
	roots   map[string]string // of version 1, by controller; "" is version 2 beside it, without controllers
}

// findHierarchies reads /proc/self/mountinfo. A machine with both versions has its controllers in version 1.
func findHierarchies(mountinfo string) hierarchies {
	h := hierarchies{roots: map[string]string{}}
	unified := ""
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 3 {
			continue
		}
		switch kind[0] {
		case "cgroup2":
			unified = fields[4]
		case "cgroup":
			for option := range strings.SplitSeq(kind[2], ",") {
				if option != "rw" && option != "ro" {
					h.roots[option] = fields[4]
				}
			}
		}
	}
	switch {
	case h.roots["memory"] == "":
		h.unified, h.roots = unified, map[string]string{}
	case unified != "":
		h.roots[""] = unified // runtimes put containers there too
	}
	return h
}

// dirs are the directories of a cgroup, each once.
func (h hierarchies) dirs(path string) []string {
	if h.unified != "" {
		return []string{filepath.Join(h.unified, path)}
	}
	var list []string
	for _, root := range h.roots {
		list = append(list, filepath.Join(root, path))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// of is the directory of a cgroup in the hierarchy of a controller; "" if there is none.
func (h hierarchies) of(controller, path string) string {
	root := h.roots[controller]
	if h.unified != "" {
		root = h.unified
	}
	if root == "" {
		return ""
	}
	return filepath.Join(root, path)
}

// swap says whether the kernel limits swap.
func (h hierarchies) swap() bool {
	if h.unified != "" {
		return true // the runtime leaves out what is not there
	}
	_, err := os.Stat(filepath.Join(h.roots["memory"], "memory.memsw.limit_in_bytes"))
	return err == nil
}

// limit makes a cgroup for the containers of a task and sets the limits of the task; 0 is none. CPU is in units, of
// which a core has 1024, and memory in MiB.
func (h hierarchies) limit(path string, cpu, memory int) error {
	if h.unified != "" {
		if err := h.delegate(path); err != nil {
			return err
		}
	}
	for _, controller := range []string{"cpu", "memory"} {
		if dir := h.of(controller, path); dir != "" {
			if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as all cgroups
				return fmt.Errorf("make the task's cgroup: %w", err)
			}
		}
	}
	var settings [][2]string // file, value
	const period = 100_000   // µs
	quota, bytes := strconv.Itoa(cpu*period/1024), strconv.Itoa(memory*mib)
	cpuDir, memoryDir := h.of("cpu", path), h.of("memory", path)
	if cpu > 0 && h.unified != "" {
		settings = append(settings, [2]string{cpuDir + "/cpu.max", quota + " " + strconv.Itoa(period)})
	} else if cpu > 0 {
		settings = append(settings, [2]string{cpuDir + "/cpu.cfs_period_us", strconv.Itoa(period)}, [2]string{cpuDir + "/cpu.cfs_quota_us", quota})
	}
	if memory > 0 && h.unified != "" {
		settings = append(settings, [2]string{memoryDir + "/memory.max", bytes})
	} else if memory > 0 {
		settings = append(settings, [2]string{memoryDir + "/memory.limit_in_bytes", bytes})
	}
	for _, s := range settings {
		if err := os.WriteFile(s[0], []byte(s[1]), 0); err != nil {
			return fmt.Errorf("limit the task: %w", err)
		}
	}
	return nil
}

// delegate lets the cgroups below each part of a path have the controllers (version 2).
func (h hierarchies) delegate(path string) error {
	dir := h.unified
	for _, part := range append([]string{""}, strings.Split(strings.Trim(path, "/"), "/")...) {
		dir = filepath.Join(dir, part)
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as all cgroups
			return fmt.Errorf("make the task's cgroup: %w", err)
		}
		for _, controller := range []string{"+cpu", "+memory", "+pids", "+cpuset", "+io"} {
			// Which of them a machine has differs; what is missing shows where it is used.
			_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(controller), 0)
		}
	}
	return nil
}

// remove removes a cgroup and those in it; it is an error if a process is left.
func (h hierarchies) remove(path string) error {
	var errs []error
	for _, dir := range h.dirs(path) {
		errs = append(errs, removeTree(dir))
	}
	return errors.Join(errs...)
}

func removeTree(dir string) error {
	err := unix.Rmdir(dir)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil {
		return readErr
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove the cgroup %s: %w", dir, err)
	}
	return nil
}

// children lists the cgroups in a cgroup, in any hierarchy.
func (h hierarchies) children(path string) []string {
	found := map[string]bool{}
	for _, dir := range h.dirs(path) {
		entries, _ := os.ReadDir(dir) // what is not there has none
		for _, e := range entries {
			if e.IsDir() {
				found[e.Name()] = true
			}
		}
	}
	var list []string
	for name := range found {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// kill kills all processes of a cgroup.
func (h hierarchies) kill(path string) {
	for _, dir := range h.dirs(path) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) // of version 2 only
		content, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for text := range strings.FieldsSeq(string(content)) {
			if pid, err := strconv.Atoi(text); err == nil && pid > 1 {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
}

// usage measures a cgroup. The page cache that can be given back at once does not count, as with Docker.
func (h hierarchies) usage(path string) (driver.Usage, error) {
	memory := h.of("memory", path)
	if h.unified != "" {
		cpu, err1 := field(memory+"/cpu.stat", "usage_usec ")
		used, err2 := field(memory+"/memory.current", "")
		cache, err3 := field(memory+"/memory.stat", "inactive_file ")
		return driver.Usage{
			CPU: time.Duration(cpu) * time.Microsecond, Memory: max(used-cache, 0), Disk: counters.Unified(memory),
		}, errors.Join(err1, err2, err3)
	}
	cpu, err1 := field(h.of("cpuacct", path)+"/cpuacct.usage", "")
	used, err2 := field(memory+"/memory.usage_in_bytes", "")
	cache, err3 := field(memory+"/memory.stat", "total_inactive_file ")
	return driver.Usage{
		CPU: time.Duration(cpu), Memory: max(used-cache, 0), Disk: counters.Blkio(h.of("blkio", path)),
	}, errors.Join(err1, err2, err3)
}

// field reads the number that follows a word at the beginning of a line of a file.
func field(path, word string) (int64, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if text, ok := strings.CutPrefix(line, word); ok {
			return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no line %q", path, word)
}
