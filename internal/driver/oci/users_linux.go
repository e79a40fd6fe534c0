package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	// maxLinks is how many symbolic links are followed to a file of an image.
	maxLinks = 20
	// maxUsers bounds what is read of an image's lists of users and groups, in bytes.
	maxUsers = 4 << 20
)

// resolveUser finds who a container runs as: a name or an id, then perhaps :group, in the image's own lists.
func resolveUser(name string, layers []string) (specs.User, error) {
	passwd, err := openInLayers(layers, "etc/passwd")
	if err != nil {
		return specs.User{}, err
	}
	defer closeIfOpen(passwd)
	group, err := openInLayers(layers, "etc/group")
	if err != nil {
		return specs.User{}, err
	}
	defer closeIfOpen(group)
	found, err := user.GetExecUser(name, nil, reader(passwd), reader(group))
	if err != nil {
		return specs.User{}, fmt.Errorf("user %q is not in the image: %w", name, err)
	}
	u := specs.User{UID: uint32(found.Uid), GID: uint32(found.Gid)}
	for _, gid := range found.Sgids {
		if uint32(gid) != u.GID {
			u.AdditionalGids = append(u.AdditionalGids, uint32(gid))
		}
	}
	return u, nil
}

func closeIfOpen(f *os.File) {
	if f != nil {
		_ = f.Close()
	}
}

func reader(f *os.File) io.Reader {
	if f == nil {
		return nil
	}
	return io.LimitReader(f, maxUsers)
}

// openInLayers opens a file as it is seen with all layers, lowest first, upon each other; nil if there is none. It looks
// at each layer alone, so that nothing has to be mounted; links lead to other places of the image and never outside.
func openInLayers(layers []string, name string) (*os.File, error) {
	rest, done := strings.Split(name, "/"), ""
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			done = path.Dir("/" + done)[1:]
			continue
		}
		layer, info, err := topmost(layers, path.Join(done, part))
		if err != nil || info == nil {
			return nil, err
		}
		switch {
		case info.Mode().Type() == fs.ModeSymlink:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%s of the image: too many symbolic links", name)
			}
			target, err := readlink(layer, path.Join(done, part))
			if err != nil {
				return nil, err
			}
			if path.IsAbs(target) {
				done = ""
			}
			rest = append(strings.Split(target, "/"), rest...)
		case len(rest) == 0 && info.Mode().IsRegular():
			return open(layer, path.Join(done, part))
		case info.IsDir():
			done = path.Join(done, part)
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// topmost finds the highest layer that has a path; none (nil) if it is deleted there, or hidden by a directory that was
// made anew. The path has no symbolic links but, perhaps, its last part.
func topmost(layers []string, name string) (layer string, info fs.FileInfo, err error) {
	for _, layer := range slices.Backward(layers) {
		root, err := os.OpenRoot(layer)
		if err != nil {
			return "", nil, fmt.Errorf("open a layer: %w", err)
		}
		info, err := root.Lstat(name)
		hidden := false
		if err != nil {
			hidden = hides(root, layer, path.Dir(name))
		}
		_ = root.Close()
		switch {
		case err == nil && info.Mode()&fs.ModeCharDevice != 0:
			return "", nil, nil // a whiteout
		case err == nil:
			return layer, info, nil
		case hidden:
			return "", nil, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR):
			return "", nil, fmt.Errorf("look into a layer: %w", err)
		}
	}
	return "", nil, nil
}

// hides says whether a layer hides what lower layers have in a directory.
func hides(root *os.Root, layer, dir string) bool {
	for at := dir; at != "." && at != "/"; at = path.Dir(at) {
		info, err := root.Lstat(at)
		if err != nil {
			continue
		}
		if !info.IsDir() {
			return true // a whiteout, or a file in its place
		}
		value := make([]byte, 1)
		n, err := unix.Lgetxattr(path.Join(layer, at), "trusted.overlay.opaque", value)
		if err == nil && n == 1 && value[0] == 'y' {
			return true
		}
	}
	return false
}

func readlink(layer, name string) (string, error) {
	root, err := os.OpenRoot(layer)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	return root.Readlink(name)
}

func open(layer, name string) (*os.File, error) {
	root, err := os.OpenRoot(layer)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return root.Open(name)
}
