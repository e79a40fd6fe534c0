package cp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// localSource finds out what is to be copied from this machine. A link is copied as such, unless it is to be followed.
func localSource(name string, follow bool) (source, error) {
	info, err := os.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && (follow || claimsDirectory(name)) {
		info, err = os.Stat(name)
	}
	if err != nil {
		return source{}, err
	}
	s := source{path: name, dir: info.IsDir(), contents: claimsContents(name)}
	if claimsDirectory(name) && !s.dir {
		return source{}, fmt.Errorf("%s is not a directory", name)
	}
	whole, err := filepath.Abs(name)
	if err != nil {
		return source{}, err
	}
	s.name = filepath.Base(whole)
	if follow || s.dir {
		s.path, err = filepath.EvalSymlinks(name)
	}
	return s, err
}

// open opens the root that a source is below, and gives its name there.
func (s source) open() (*os.Root, string, error) {
	if s.dir {
		root, err := os.OpenRoot(s.path)
		return root, ".", err
	}
	root, err := os.OpenRoot(filepath.Dir(s.path))
	return root, filepath.Base(s.path), err
}

// localTarget finds out where on this machine a copy goes: links are followed, for it is the machine of who copies.
func localTarget(name string) (target, error) {
	t := target{path: name, wanted: claimsDirectory(name)}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Lstat(filepath.Clean(name)); e == nil {
			return t, nowhere(name)
		}
		return t, nil
	}
	if err != nil {
		return t, err
	}
	t.exists, t.dir, t.other = true, info.IsDir(), !info.IsDir() && !info.Mode().IsRegular()
	t.path, err = filepath.EvalSymlinks(name)
	return t, err
}

// nowhere is about a link that is no place for a copy.
func nowhere(name string) error {
	return fmt.Errorf("%s is a symbolic link that leads nowhere: nothing is written there", name)
}
