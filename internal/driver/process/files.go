package process

import (
	"context"
	"fmt"
	"io"
	"path"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/inside"
)

// Stat implements driver.Driver. There is no root of the container's own: a path is the machine's, relative to the working
// directory that the definition gives, and what the user of the container's program may not do is not done.
func (d *Driver) Stat(ctx context.Context, id, name string) (file driver.File, err error) {
	err = d.files(ctx, id, name, func(root *inside.Root, name string) (err error) {
		file, err = root.Stat(name)
		return err
	})
	return file, err
}

// CopyOut implements driver.Driver; see Stat.
func (d *Driver) CopyOut(ctx context.Context, id, name string, to io.Writer) error {
	return d.files(ctx, id, name, func(root *inside.Root, name string) error { return root.CopyOut(ctx, name, to) })
}

// CopyIn implements driver.Driver; see Stat.
func (d *Driver) CopyIn(ctx context.Context, id, dir string, in driver.Copy) error {
	return d.files(ctx, id, dir, func(root *inside.Root, dir string) error { return root.CopyIn(ctx, dir, in) })
}

// files calls a function with the machine's root and the absolute form of a path, as the user of a container's program.
// A link that the program has made so leads nobody to what the program could not have had by itself.
func (d *Driver) files(ctx context.Context, id, name string, do func(*inside.Root, string) error) error {
	var user inside.User
	var in string
	err := d.link.At(ctx, id, func(pid int, dir string) (err error) {
		in = dir
		user, err = inside.UserOf(pid)
		return err
	})
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if !path.IsAbs(name) {
		name = path.Join(in, name)
	}
	return user.Do(func() error {
		root, err := inside.Open("/")
		if err != nil {
			return err
		}
		defer func() { _ = root.Close() }()
		return do(root, name)
	})
}
