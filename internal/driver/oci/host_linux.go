package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/model"
)

// hostPath gives the path of the machine that a path leads to, without any symbolic link, and makes a directory there if
// there is nothing, as Docker does. Who may write there can make it lead elsewhere at any time: so only the keeper opens
// it to be mounted, and follows no link.
func (d *Driver) hostPath(path string) (string, error) {
	target, err := d.cfg.HostPath(path)
	if err != nil {
		return "", cannotCreate("host.sourcePath %s: %w", path, err)
	}
	fd, err := openOrMake(target)
	if err != nil {
		return "", cannotCreate("host.sourcePath %s: %s: %w", path, target, err)
	}
	return target, unix.Close(fd)
}

// openOrMake opens a path, and makes what is missing of it as directories; it follows no symbolic link.
func openOrMake(path string) (fd int, err error) {
	fd, err = keeper.OpenPlain(path)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	parent, err := openOrMake(filepath.Dir(path)) // ends: the root is there
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(parent) }()
	name := filepath.Base(path)
	if err := unix.Mkdirat(parent, name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return keeper.OpenPlainAt(parent, name)
}

// anyPath is Config.HostPath where all is allowed.
func anyPath(path string) (string, error) {
	actual, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, os.ErrNotExist) || path == "/" {
		return actual, err
	}
	parent, err := anyPath(filepath.Dir(filepath.Clean(path)))
	return filepath.Join(parent, filepath.Base(path)), err
}

// findDevices are the devices of the machine that a container has beside the usual ones; a privileged one has all.
func (d *Driver) findDevices(c *model.ContainerDefinition) ([]specs.LinuxDevice, error) {
	if c.Privileged {
		return allDevices()
	}
	if c.Linux == nil {
		return nil, nil
	}
	var list []specs.LinuxDevice
	for _, wanted := range c.Linux.Devices {
		actual, err := d.cfg.HostPath(wanted.HostPath)
		if err != nil {
			return nil, fmt.Errorf("linuxParameters.devices: %w", err)
		}
		device, err := findDevice(actual)
		if err != nil {
			return nil, fmt.Errorf("linuxParameters.devices: %w", err)
		}
		device.Path = wanted.ContainerPath
		list = append(list, *device)
	}
	return list, nil
}

// findDevice looks at a device of the machine, and follows no symbolic link.
func findDevice(path string) (*specs.LinuxDevice, error) {
	fd, err := keeper.OpenPlain(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var kind string
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		kind = "c"
	case unix.S_IFBLK:
		kind = "b"
	default:
		return nil, fmt.Errorf("%s is no device", path)
	}
	mode := os.FileMode(st.Mode & 0o777)
	return &specs.LinuxDevice{
		Path: path, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		FileMode: &mode, UID: &st.Uid, GID: &st.Gid,
	}, nil
}

// allDevices are those in /dev, but for what is the container's own.
func allDevices() ([]specs.LinuxDevice, error) {
	own := []string{"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console"}
	var list []specs.LinuxDevice
	err := filepath.WalkDir("/dev", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // what is gone meanwhile, or hidden, is left out
		case slices.Contains(own, path) && entry.IsDir():
			return filepath.SkipDir
		case slices.Contains(own, path), entry.Type()&os.ModeDevice == 0:
			return nil
		}
		if device, err := findDevice(path); err == nil {
			list = append(list, *device)
		}
		return nil
	})
	return list, err
}
