//go:build !linux

package image

import (
	"errors"
	"os"
)

// A store is of Linux, as overlayfs is: elsewhere it cannot be opened.

func lockDir(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func unlock(lock *os.File) error { return lock.Close() }

func statfs(string) (FileSystem, error) { return FileSystem{}, errors.ErrUnsupported }

func syncFileSystem(string) error { return errors.ErrUnsupported }

func bootID() string { return "" }
