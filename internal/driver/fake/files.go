package fake

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/tree"
)

// entry is a file, a directory or a symbolic link of a container.
type entry struct {
	head tar.Header
	text []byte
}

// maxLinks is how many links are followed, as by Linux.
const maxLinks = 40

// mutable gives the files of a running container by their absolute paths; it begins with the root alone, and so does each
// container. mu is held.
func (m *Machine) mutable(id string) (map[string]entry, error) {
	c := m.containers[id]
	if c == nil || c.status.State != driver.Running {
		return nil, fmt.Errorf("copy: %s: the container does not run", id)
	}
	if c.files == nil {
		c.files = map[string]entry{"/": {head: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}}
	}
	return c.files, nil
}

// Stat implements driver.Driver.
func (d *Driver) Stat(_ context.Context, id, name string) (driver.File, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	files, err := d.m.mutable(id)
	if err != nil {
		return driver.File{}, err
	}
	e, _, err := find(files, name)
	if err != nil {
		return driver.File{}, err
	}
	f := driver.File{Mode: e.head.FileInfo().Mode(), Size: int64(len(e.text)), Modified: e.head.ModTime}
	if e.head.Typeflag == tar.TypeSymlink {
		f.Target, err = resolve(files, path.Clean("/"+name))
	}
	return f, err
}

// find gives what is at a path, and where that is when the links on the way there are followed.
func find(files map[string]entry, name string) (entry, string, error) {
	name = path.Clean("/" + name)
	dir, err := resolve(files, path.Dir(name))
	at := path.Join(dir, path.Base(name))
	e, ok := files[at]
	if err == nil && !ok {
		err = &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return e, at, err
}

// resolve follows all links of a path.
func resolve(files map[string]entry, name string) (string, error) {
	done, todo := "/", strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		next := path.Join(done, todo[0])
		todo = todo[1:]
		e := files[next]
		if e.head.Typeflag != tar.TypeSymlink {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "stat", Path: name, Err: errors.New("too many links")}
		}
		if path.IsAbs(e.head.Linkname) {
			done = "/"
		}
		todo = slices.Concat(strings.Split(e.head.Linkname, "/"), todo)
	}
	return done, nil
}

// CopyOut implements driver.Driver.
func (d *Driver) CopyOut(ctx context.Context, id, name string, to io.Writer) error {
	d.m.mu.Lock()
	files, err := d.m.mutable(id)
	if err == nil {
		_, name, err = find(files, name)
	}
	files = maps.Clone(files)
	d.m.mu.Unlock()
	if err != nil {
		return err
	}
	out := tar.NewWriter(to)
	for _, at := range slices.Sorted(maps.Keys(files)) {
		rest, below := strings.CutPrefix(at+"/", strings.TrimSuffix(name, "/")+"/")
		if !below {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		e := files[at]
		e.head.Name = path.Join(".", rest)
		if err := out.WriteHeader(&e.head); err != nil {
			return err
		}
		if _, err := out.Write(e.text); err != nil {
			return err
		}
	}
	return out.Close()
}

// CopyIn implements driver.Driver. What an archive says before it breaks off is there.
func (d *Driver) CopyIn(ctx context.Context, id, dir string, in driver.Copy) error {
	if err := d.wantDirectory(id, dir); err != nil {
		return err
	}
	var left tree.LeftOutError
	archive := tar.NewReader(in.Archive)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return left.Err()
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
			left.Add(h.Name)
			continue
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if !in.Owners {
			_, _ = tree.Disown(h)
		}
		if err := d.put(id, dir, h, text); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

// wantDirectory is an error unless a path is one.
func (d *Driver) wantDirectory(id, dir string) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	files, err := d.m.mutable(id)
	if err != nil {
		return err
	}
	at, err := resolve(files, dir)
	if err != nil {
		return err
	}
	e, ok := files[at]
	switch {
	case !ok:
		return &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	case e.head.Typeflag != tar.TypeDir:
		return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
	}
	return nil
}

// put makes one entry.
func (d *Driver) put(id, dir string, h *tar.Header, text []byte) error {
	name, err := tree.Clean(h.Name)
	if err != nil || name == "." && h.Typeflag == tar.TypeDir {
		return err
	}
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	files, err := d.m.mutable(id)
	if err != nil {
		return err
	}
	if h.Typeflag == tar.TypeLink {
		target, err := tree.Clean(h.Linkname)
		if err != nil {
			return err
		}
		original, ok := files[mustResolve(files, path.Join(dir, target))]
		if !ok {
			return fs.ErrNotExist
		}
		h, text = &original.head, original.text
	}
	at := path.Join(mustResolve(files, path.Join(dir, path.Dir(name))), path.Base(name))
	if was, ok := files[at]; ok && (was.head.Typeflag == tar.TypeDir) != (h.Typeflag == tar.TypeDir) {
		return tree.ErrWrongKind
	}
	for above := path.Dir(at); files[above].head.Typeflag == 0; above = path.Dir(above) {
		files[above] = entry{head: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
	}
	files[at] = entry{head: tar.Header{
		Typeflag: h.Typeflag, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, Linkname: h.Linkname, Size: int64(len(text)),
		ModTime: h.ModTime.Truncate(time.Second),
	}, text: text}
	return nil
}

// mustResolve is resolve for where wantDirectory has been already; links in a circle lead nowhere.
func mustResolve(files map[string]entry, name string) string {
	at, err := resolve(files, name)
	if err != nil {
		return name
	}
	return at
}
