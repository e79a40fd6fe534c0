//go:build !linux

package oci

import (
	"context"
	"errors"
	"io"

	"github.com/maitred/maitred/internal/driver"
)

var errLinux = errors.New("containers without a daemon need Linux")

// Available says that this machine cannot run containers without a daemon.
func Available(context.Context, string) (string, error) { return "", errLinux }

// New fails: this driver needs Linux.
func New(context.Context, Config) (driver.Driver, error) { return nil, errLinux }

// InitMain is for Linux.
func InitMain([]string, io.Writer) int { return 1 }
