package cp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/tree"
)

// Options are those of the verb.
type Options struct {
	Follow bool // the link that the source is
	Owners bool // keep uids and gids; else what is copied belongs to the container's root, or to the caller
	Stdin  io.Reader
	Stdout io.Writer
	// Moved is told of bytes of the archive as they pass. It may be nil.
	Moved func(n int)
}

// Out copies from a container to a path of this machine, or as an archive to standard output.
func Out(ctx context.Context, r *Remote, from, to string, o Options) error {
	src, err := r.source(ctx, from, o.Follow)
	if err != nil {
		return err
	}
	if to == Stream {
		name := src.name
		if src.contents {
			name = "."
		}
		return r.receive(ctx, src.path, o, func(archive io.Reader) error { return tree.Rewrite(o.Stdout, archive, tree.Place(name)) })
	}
	dst, err := localTarget(to)
	if err != nil {
		return err
	}
	dir, name, err := settle(src, dst)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return missingDirectory(dir, err)
	}
	defer func() { _ = root.Close() }()
	return r.receive(ctx, src.path, o, func(archive io.Reader) error {
		return tree.Unpack(ctx, archive, tree.Target{Root: root, As: name, Owners: o.Owners})
	})
}

func missingDirectory(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory %s does not exist", dir)
	}
	return err
}

// source finds out what is to be copied from a container.
func (r *Remote) source(ctx context.Context, name string, follow bool) (source, error) {
	s := source{path: path.Clean(name), name: path.Base(path.Clean(name)), contents: claimsContents(name)}
	a, err := r.stat(ctx, s.path)
	if err == nil && a.Mode&fs.ModeSymlink != 0 && (follow || claimsDirectory(name)) {
		s.path = a.Target
		a, err = r.stat(ctx, s.path)
	}
	if err != nil {
		return s, err
	}
	if !a.Exists {
		return s, fmt.Errorf("there is no %s in the container", s.path)
	}
	s.dir = a.Mode.IsDir()
	if claimsDirectory(name) && !s.dir {
		return s, fmt.Errorf("%s is not a directory in the container", s.path)
	}
	return s, nil
}

// receive gets an archive and has it taken apart meanwhile.
func (r *Remote) receive(ctx context.Context, name string, o Options, take func(io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := r.out(ctx, name, counted{out, o.Moved})
		done <- err
		out.CloseWithError(err) //nolint:errcheck // it always returns nil
	}()
	taken := take(in)
	left, partly := errors.AsType[*tree.LeftOutError](taken)
	if taken == nil || partly {
		_, taken = io.Copy(io.Discard, in) // what is behind the archive's end; the agent's last word comes after it
	}
	_ = in.Close()
	cancel()
	sent := <-done
	switch {
	case taken == nil && partly:
		return left
	case taken == nil || sent != nil && !errors.Is(sent, io.ErrClosedPipe) && !errors.Is(sent, context.Canceled):
		return sent
	}
	return taken
}

// In copies from a path of this machine, or an archive from standard input, into a container.
func In(ctx context.Context, r *Remote, from, to string, o Options) error {
	if from == Stream {
		return r.unpack(ctx, to, o)
	}
	src, err := localSource(from, o.Follow)
	if err != nil {
		return err
	}
	dst, err := r.target(ctx, to)
	if err != nil {
		return err
	}
	dir, name, err := settle(src, dst)
	if err != nil {
		return err
	}
	if !dst.exists {
		if err := r.wantDirectory(ctx, dir); err != nil {
			return err
		}
	}
	return r.send(ctx, src, dir, name, o)
}

// unpack has an archive unpacked in a directory of a container.
func (r *Remote) unpack(ctx context.Context, to string, o Options) error {
	dst, err := r.target(ctx, to)
	if err != nil {
		return err
	}
	if !dst.dir {
		return fmt.Errorf("%s is not a directory in the container, and an archive wants one", to)
	}
	return r.in(ctx, dst.path, driver.Copy{Archive: countedReader{o.Stdin, o.Moved}, Owners: o.Owners})
}

// target finds out where in a container a copy goes: links are followed, in the container.
func (r *Remote) target(ctx context.Context, name string) (target, error) {
	t := target{path: path.Clean(name), wanted: claimsDirectory(name)}
	a, err := r.stat(ctx, t.path)
	if err == nil && a.Mode&fs.ModeSymlink != 0 {
		t.path = a.Target
		if a, err = r.stat(ctx, t.path); err == nil && !a.Exists {
			err = nowhere(name)
		}
	}
	t.exists, t.dir, t.other = a.Exists, a.Mode.IsDir(), a.Exists && !a.Mode.IsDir() && !a.Mode.IsRegular()
	return t, err
}

// wantDirectory is an error unless a path of a container is a directory, or a link to one.
func (r *Remote) wantDirectory(ctx context.Context, dir string) error {
	t, err := r.target(ctx, dir)
	switch {
	case err != nil:
		return err
	case !t.exists:
		return fmt.Errorf("the directory %s does not exist in the container", dir)
	case !t.dir:
		return fmt.Errorf("%s is not a directory in the container", dir)
	}
	return nil
}

// send packs a source and sends it meanwhile.
func (r *Remote) send(ctx context.Context, src source, dir, name string, o Options) error {
	root, base, err := src.open()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := tree.Pack(ctx, counted{out, o.Moved}, tree.Source{Root: root, Name: base, As: name})
		if err != nil {
			cancel() // an input that breaks off says nothing by itself
		}
		out.CloseWithError(err) //nolint:errcheck // it always returns nil
		done <- err
	}()
	sent := r.in(ctx, dir, driver.Copy{Archive: in, Owners: o.Owners})
	_ = in.Close()
	if packed := <-done; packed != nil && !errors.Is(packed, io.ErrClosedPipe) {
		return packed
	}
	return sent
}

// counted tells of what is written.
type counted struct {
	io.Writer
	moved func(int)
}

// Write implements io.Writer.
func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if c.moved != nil {
		c.moved(n)
	}
	return n, err
}

// countedReader tells of what is read.
type countedReader struct {
	io.Reader
	moved func(int)
}

// Read implements io.Reader.
func (c countedReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.moved != nil {
		c.moved(n)
	}
	return n, err
}
