//go:build !linux

package layer

import (
	"context"
	"errors"
	"io"
)

// Unpack is of Linux, as overlayfs is.
func Unpack(context.Context, io.Reader, string, Options) (int64, error) {
	return 0, errors.ErrUnsupported
}
