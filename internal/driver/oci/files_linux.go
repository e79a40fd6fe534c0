package oci

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/inside"
)

// Stat implements driver.Driver. A path is seen as the container's first process sees it, volumes and all. A relative one
// begins at the root, as with Docker.
func (d *Driver) Stat(ctx context.Context, id, path string) (file driver.File, err error) {
	err = d.inRoot(ctx, id, func(root *inside.Root) (err error) {
		file, err = root.Stat(path)
		return err
	})
	return file, err
}

// CopyOut implements driver.Driver.
func (d *Driver) CopyOut(ctx context.Context, id, path string, to io.Writer) error {
	return d.inRoot(ctx, id, func(root *inside.Root) error { return root.CopyOut(ctx, path, to) })
}

// CopyIn implements driver.Driver. What the container may not write, being mounted read-only, is not written from here
// either.
func (d *Driver) CopyIn(ctx context.Context, id, dir string, in driver.Copy) error {
	return d.inRoot(ctx, id, func(root *inside.Root) error { return root.CopyIn(ctx, dir, in) })
}

// inRoot calls a function with the root of a container that runs. Its mounts are there as long as it does: of one that
// has ended there is nothing to see.
func (d *Driver) inRoot(ctx context.Context, id string, do func(*inside.Root) error) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("copy: %w", errNotRunning)
	}
	var root *inside.Root
	err := d.link.At(ctx, id, func(pid int, _ string) (err error) {
		root, err = inside.Open("/proc/" + strconv.Itoa(pid) + "/root")
		return err
	})
	if root != nil {
		defer func() { _ = root.Close() }()
	}
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return do(root)
}
