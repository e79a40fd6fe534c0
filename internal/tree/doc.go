// Package tree turns a directory or a file into a tar archive, and an archive back into files, without ever leaving the
// directory that it was given (os.Root). Symbolic links are copied as they are and never followed.
//
// Inside this program an archive is named relatively: what was packed is ".", and what lies below it is "a", "a/b" and
// so on. Place gives it the name that it gets where it goes.
package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// ErrRefused says that an archive names what is not below the directory that it is unpacked into.
var ErrRefused = errors.New("the archive leads outside of the directory that it is unpacked into")

// ErrWrongKind says that a directory is in the way of a file, or the other way round: neither replaces the other.
var ErrWrongKind = errors.New("a directory does not replace anything else, and nothing else replaces a directory")

// maxLeft is how many names of entries that were left out an error tells.
const maxLeft = 10

// LeftOutError says that everything was unpacked but for some entries: devices and pipes.
type LeftOutError struct {
	Names []string // the first ones
	More  int      // so many others
}

// Add notes an entry.
func (e *LeftOutError) Add(name string) {
	if len(e.Names) < maxLeft {
		e.Names = append(e.Names, fmt.Sprintf("%.200q", name))
		return
	}
	e.More++
}

// Err is the error, nil if there is no entry.
func (e *LeftOutError) Err() error {
	if len(e.Names) == 0 {
		return nil
	}
	return e
}

// Error names them.
func (e *LeftOutError) Error() string {
	text := "everything else was copied; devices and pipes are not: " + strings.Join(e.Names, ", ")
	if e.More > 0 {
		text += fmt.Sprintf(" and %d more", e.More)
	}
	return text
}

// special are the bits of a mode that lend somebody's rights: they are of use only with the owner that they were meant
// for.
const special = fs.ModeSetuid | fs.ModeSetgid

// about names what an error is about: quoted, for the names in an archive, and in a container, are somebody else's, and who
// reads the error may sit at a terminal.
func about(name string, err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	} else if at, ok := errors.AsType[*os.LinkError](err); ok {
		err = at.Err
	}
	return fmt.Errorf("%.200q: %w", name, err)
}

// Clean gives the name of an entry as it lies below the directory that it is unpacked into, "." for the directory itself.
// The error wraps ErrRefused.
func Clean(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("%w: %.200q", ErrRefused, name)
		}
	}
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%w: %.200q", ErrRefused, name)
	}
	return path.Clean(name), nil
}

// Place is a change for Rewrite: it puts what is named relatively to a place of that name.
func Place(name string) func(*tar.Header) (keep bool, err error) {
	return func(h *tar.Header) (bool, error) {
		if h.Typeflag == tar.TypeXGlobalHeader {
			return true, nil
		}
		clean, err := Clean(h.Name)
		if err != nil {
			return false, err
		}
		if h.Typeflag == tar.TypeLink {
			target, err := Clean(h.Linkname)
			if err != nil {
				return false, err
			}
			h.Linkname = path.Join(name, target)
		}
		h.Name = path.Join(name, clean)
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		return true, nil
	}
}

// Disown is a change for Rewrite: everything belongs to root, and lends nobody's rights.
func Disown(h *tar.Header) (keep bool, err error) {
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	h.Mode &^= 0o6000
	return true, nil
}

// Rewrite copies an archive and lets functions change the head of each entry, or leave it out.
func Rewrite(w io.Writer, r io.Reader, changes ...func(*tar.Header) (keep bool, err error)) error {
	in, out := tar.NewReader(r), tar.NewWriter(w)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if err := rewriteOne(out, in, h, changes); err != nil {
			return err
		}
	}
}

func rewriteOne(out *tar.Writer, in io.Reader, h *tar.Header, changes []func(*tar.Header) (bool, error)) error {
	for _, change := range changes {
		keep, err := change(h)
		if err != nil || !keep {
			return err
		}
	}
	if h.Typeflag == tar.TypeGNUSparse {
		h.Typeflag = tar.TypeReg // its holes come as zeros
	}
	h.Format = tar.FormatPAX // takes every name and every time
	if err := out.WriteHeader(h); err != nil {
		return about(h.Name, err)
	}
	_, err := io.Copy(out, in)
	return err
}
