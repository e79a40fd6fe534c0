//go:build !linux

package inside

import (
	"context"
	"errors"
	"io"

	"github.com/maitred/maitred/internal/driver"
)

var errLinux = errors.New("files of containers are copied on Linux alone")

// Root is a root directory.
type Root struct{}

// Open needs Linux.
func Open(string) (*Root, error) { return nil, errLinux }

// Close does nothing.
func (r *Root) Close() error { return nil }

// Stat needs Linux.
func (r *Root) Stat(string) (driver.File, error) { return driver.File{}, errLinux }

// CopyOut needs Linux.
func (r *Root) CopyOut(context.Context, string, io.Writer) error { return errLinux }

// CopyIn needs Linux.
func (r *Root) CopyIn(context.Context, string, driver.Copy) error { return errLinux }

// User is who a program runs as.
type User struct{}

// UserOf needs Linux.
func UserOf(int) (User, error) { return User{}, errLinux }

// Do needs Linux.
func (u User) Do(func() error) error { return errLinux }
