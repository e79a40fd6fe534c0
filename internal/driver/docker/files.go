package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/tree"
)

// Stat implements driver.Driver. The daemon resolves paths in the container's root, which relative ones begin at.
func (d *Driver) Stat(ctx context.Context, id, name string) (driver.File, error) {
	if _, err := d.known(ctx, id); err != nil {
		return driver.File{}, err
	}
	return d.stat(ctx, id, path.Clean("/"+name))
}

func (d *Driver) stat(ctx context.Context, id, name string) (driver.File, error) {
	quick, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	found, err := d.client.ContainerStatPath(quick, d.name(id), client.ContainerStatPathOptions{Path: name})
	if err != nil {
		return driver.File{}, fileError("stat", name, d.reason(quick, id, name, err))
	}
	file := driver.File{Mode: found.Stat.Mode, Modified: found.Stat.Mtime}
	switch {
	case file.Mode.IsRegular():
		file.Size = found.Stat.Size
	case file.Mode&fs.ModeSymlink != 0:
		if file.Target = found.Stat.LinkTarget; !path.IsAbs(file.Target) {
			file.Target = path.Join(path.Dir(name), file.Target)
		}
	}
	return file, nil
}

// reason asks once more for what went wrong: the daemon's answer to a stat has no text.
func (d *Driver) reason(ctx context.Context, id, name string, err error) error {
	if errdefs.IsNotFound(err) || ctx.Err() != nil {
		return err
	}
	found, better := d.client.CopyFromContainer(ctx, d.name(id), client.CopyFromContainerOptions{SourcePath: name})
	if better == nil {
		_ = found.Content.Close()
		return err
	}
	return better
}

// known is an error if there is no such container, whose files the daemon could else not tell from such that are missing.
func (d *Driver) known(ctx context.Context, id string) (container.InspectResponse, error) {
	c, err := d.inspect(ctx, d.name(id))
	if err != nil {
		err = fmt.Errorf("copy: %w", err)
	}
	return c, err
}

// visible is an error if a directory, or base in it, is in a file system that is there in the container alone, and not where the daemon
// copies: it would write below that, for nobody to see.
func (d *Driver) visible(ctx context.Context, id, dir, base string) error {
	c, err := d.known(ctx, id)
	if err != nil {
		return err
	}
	at := "/"
	for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		at = path.Join(at, part)
		file, err := d.stat(ctx, id, at)
		if err != nil {
			return err
		}
		if file.Mode&fs.ModeSymlink != 0 {
			at = file.Target
		}
	}
	if hider := hiding(c, path.Join(at, base)); hider != "" {
		return &fs.PathError{Op: "copy", Path: path.Join(dir, base), Err: fmt.Errorf(
			"the Docker daemon does not see what is in %s: that is in memory, or the kernel's; `maitred exec` reads and writes it", hider)}
	}
	return nil
}

// hiding gives the file system of a container that a path is in, if the daemon does not see that.
func hiding(c container.InspectResponse, name string) string {
	hides := map[string]bool{"/proc": true, "/sys": true, "/dev": true}
	if c.HostConfig != nil {
		for at := range c.HostConfig.Tmpfs {
			hides[path.Clean("/"+at)] = true
		}
	}
	for _, m := range c.Mounts {
		hides[path.Clean("/"+m.Destination)] = m.Type == mount.TypeTmpfs
	}
	for at := name; at != "/"; at = path.Dir(at) {
		if hidden, mounted := hides[at]; mounted {
			if hidden {
				return at
			}
			return ""
		}
	}
	return ""
}

// fileError makes an error of the daemon's one of files.
func fileError(op, name string, err error) error {
	if errdefs.IsNotFound(err) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return fmt.Errorf("%s %s: %w", op, name, err)
}

// CopyOut implements driver.Driver.
func (d *Driver) CopyOut(ctx context.Context, id, name string, to io.Writer) error {
	name = path.Clean("/" + name)
	if err := d.visible(ctx, id, path.Dir(name), path.Base(name)); err != nil {
		return err
	}
	found, err := d.client.CopyFromContainer(ctx, d.name(id), client.CopyFromContainerOptions{SourcePath: name})
	if err != nil {
		return fileError("copy", name, err)
	}
	defer func() { _ = found.Content.Close() }()
	if err := tree.Rewrite(to, found.Content, relative(path.Base(name))); err != nil {
		return fileError("copy", name, err)
	}
	return nil
}

// relative is a change for tree.Rewrite. The daemon names all entries by the last element of the path; all but those of
// the root itself.
func relative(base string) func(*tar.Header) (bool, error) {
	below := func(name string) (string, error) {
		clean := strings.TrimPrefix(path.Clean("/"+name), "/")
		if base == "/" {
			return path.Join(".", clean), nil
		}
		rest, ok := strings.CutPrefix(clean+"/", base+"/")
		if !ok {
			return "", fmt.Errorf("the daemon gave %.200q, which was not asked for", name)
		}
		return path.Join(".", rest), nil
	}
	return func(h *tar.Header) (keep bool, err error) {
		if h.Typeflag == tar.TypeXGlobalHeader {
			return false, nil
		}
		h.Mode &= 0o7777 // the daemon adds the type
		if h.Name, err = below(h.Name); err == nil && h.Typeflag == tar.TypeLink {
			h.Linkname, err = below(h.Linkname)
		}
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		return true, err
	}
}

// CopyIn implements driver.Driver. The daemon takes no relative link that leads out of the directory. When the daemon wants no more of the archive, a Read of it may still be under way, as in
// Exec.
func (d *Driver) CopyIn(ctx context.Context, id, dir string, in driver.Copy) error {
	dir = path.Clean("/" + dir)
	if err := d.visible(ctx, id, dir, "."); err != nil {
		return err
	}
	var left tree.LeftOutError
	changes := []func(*tar.Header) (bool, error){proper(&left)}
	if !in.Owners {
		changes = append(changes, tree.Disown)
	}
	r, w := io.Pipe()
	broke := make(chan error, 1)
	go func() {
		err := tree.Rewrite(w, in.Archive, changes...)
		broke <- err
		w.CloseWithError(err) //nolint:errcheck // it always returns nil
	}()
	_, err := d.client.CopyToContainer(ctx, d.name(id), client.CopyToContainerOptions{DestinationPath: dir, Content: r})
	_ = r.Close()
	if err == nil { // so it has had the archive's end
		if ours := <-broke; ours != nil && !errors.Is(ours, io.ErrClosedPipe) {
			return ours
		}
		return left.Err()
	}
	select {
	case ours := <-broke:
		if ours != nil && !errors.Is(ours, io.ErrClosedPipe) {
			return ours // for which the daemon saw its input break off
		}
	default:
	}
	return fileError("copy to", dir, err)
}

// proper is a change for tree.Rewrite that makes the daemon unpack what tree.Unpack would: nothing outside of the directory,
// which itself stays as it is, and neither devices nor pipes.
func proper(left *tree.LeftOutError) func(*tar.Header) (bool, error) {
	return func(h *tar.Header) (bool, error) {
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
			return false, nil
		case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
			left.Add(h.Name)
			return false, nil
		case tar.TypeLink:
			if _, err := tree.Clean(h.Linkname); err != nil {
				return false, err
			}
		}
		name, err := tree.Clean(h.Name)
		if err == nil && name == "." && h.Typeflag != tar.TypeDir {
			err = tree.ErrWrongKind
		}
		return err == nil && name != ".", err
	}
}
