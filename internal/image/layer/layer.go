// Package layer turns one layer of an image, a tar archive that somebody else made, into a directory that overlayfs can
// mount: whiteouts become the devices and attributes that overlayfs knows, and no entry reaches outside the directory.
package layer

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// ErrRefused is in the chain of errors about entries that no honest layer has.
var ErrRefused = errors.New("refused")

// Options are of one Unpack.
type Options struct {
	// Room says whether more may be written; it is asked before the first byte and after each 32 MiB. Nil for always.
	Room func() error
}

// roomStep is after how many bytes Room is asked again.
const roomStep = 32 << 20

// The names by which a layer says that something of the layers below is gone (OCI image specification, "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh." // of a file system of the past: means nothing here
)

// what an entry's name asks for.
type what int

const (
	plain    what = iota // the entry itself
	whiteout             // that a name of the layers below is gone
	opaque               // that all of a directory in the layers below is gone
	nothing              // to be skipped
)

// place tells where in the layer an entry belongs: its directory and its name there, "." of "." for the layer's own
// directory. A leading slash means the layer's directory, as some builders write it.
func place(name string) (dir, base string, w what, err error) {
	if strings.ContainsRune(name, 0) {
		return "", "", nothing, fmt.Errorf("%w: the name %q", ErrRefused, name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", "", nothing, fmt.Errorf("%w: %q leads out of the layer", ErrRefused, name)
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" {
		return ".", ".", plain, nil
	}
	dir, base = path.Split(clean)
	if dir = strings.TrimSuffix(dir, "/"); dir == "" {
		dir = "."
	}
	switch {
	case strings.Contains("/"+dir, "/"+aufsPrefix):
		return dir, base, nothing, nil
	case strings.Contains("/"+dir, "/"+whiteoutPrefix):
		return "", "", nothing, fmt.Errorf("%w: %q is below a whiteout", ErrRefused, name)
	case base == opaqueName:
		return dir, base, opaque, nil
	case strings.HasPrefix(base, aufsPrefix):
		return dir, base, nothing, nil
	case strings.HasPrefix(base, whiteoutPrefix):
		base = base[len(whiteoutPrefix):]
		if base == "" || base == "." || base == ".." {
			return "", "", nothing, fmt.Errorf("%w: the whiteout %q names nothing", ErrRefused, name)
		}
		return dir, base, whiteout, nil
	}
	return dir, base, plain, nil
}

// attribute tells whether an extended attribute of an entry is set. Those that overlayfs itself understands are not: they
// would let a layer show files of other layers at places where their makers did not put them.
func attribute(name string) bool {
	return name == "security.capability" ||
		strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.") ||
		name == "system.posix_acl_access" || name == "system.posix_acl_default"
}
