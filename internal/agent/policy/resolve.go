package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Resolve finds out which path of this machine a path is, with all symbolic links and ".." followed, and refuses one that
// is not allowed there. What does not exist yet may be made below what does. Whoever mounts the result, and not the
// path that was asked for, mounts what was allowed.
func Resolve(p model.Policy, name string) (string, error) {
	actual, err := follow(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	dirs, secrets := both(p.HostPaths), both(guarded(p))
	if !allowed(dirs, secrets, actual) {
		return "", fmt.Errorf("%s is %s: this machine's operator does not allow it (%s)", name, actual, flagPath)
	}
	return actual, nil
}

// both are directories as they are named and as they are.
func both(names []string) []string {
	list := slices.Clone(names)
	for _, name := range names {
		if actual, err := filepath.EvalSymlinks(name); err == nil {
			list = append(list, actual)
		}
	}
	return list
}

// follow resolves the longest part of a path that exists. The rest must be plain names: nothing may turn them into
// another path later.
func follow(name string) (string, error) {
	if !filepath.IsAbs(name) {
		return "", errors.New("it has to be an absolute path")
	}
	there, rest := name, ""
	for {
		there = strings.TrimRight(there, "/") // or the link that it names would be followed
		if there == "" {
			return "/" + rest, nil
		}
		actual, err := filepath.EvalSymlinks(there)
		if err == nil {
			return filepath.Join(actual, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if _, err := os.Lstat(there); err == nil {
			return "", errors.New("it is a symbolic link that leads nowhere")
		}
		cut := strings.LastIndexByte(there, '/')
		last := there[cut+1:]
		if last == ".." {
			return "", errors.New(`".." after what does not exist`)
		}
		there, rest = there[:cut], filepath.Join(last, rest)
	}
}

// ResolveAll gives the volumes of a definition with their paths of this machine resolved, and says why one of these, or
// a device, is not allowed. The definition is not changed.
func ResolveAll(p model.Policy, def *model.TaskDefinition) ([]model.Volume, error) {
	volumes := slices.Clone(def.Volumes)
	for i := range volumes {
		v := &volumes[i]
		if v.HostPath != "" && mounted(def, v.Name) {
			actual, err := Resolve(p, v.HostPath)
			if err != nil {
				return nil, fmt.Errorf("volume %s: host.sourcePath %w", v.Name, err)
			}
			v.HostPath = actual
		}
	}
	for _, h := range hostPaths(def) {
		actual, err := Resolve(p, h.path)
		if err == nil && h.device && !machineDevice(actual) {
			err = fmt.Errorf("%s is %s: %s", h.path, actual, noDevice)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %w", h.member, err)
		}
	}
	return volumes, nil
}
