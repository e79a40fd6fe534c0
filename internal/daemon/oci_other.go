//go:build !linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/maitred/maitred/internal/driver"
)

var errLinux = errors.New("containers without a daemon need Linux")

// Init is the verb init, which there are no containers for here.
func Init(_ []string, stderr io.Writer) int {
	_, _ = fmt.Fprintln(stderr, errLinux)
	return 1
}

func ociAvailable(context.Context) (version string, err error) { return "", errLinux }

func (c Config) openOCI(context.Context) (driver.Driver, error) { return nil, errLinux }
