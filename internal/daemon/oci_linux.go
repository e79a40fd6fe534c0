package daemon

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/maitred/maitred/internal/agent/policy"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/oci"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/network"
)

// Init is the verb init: the first process of containers that want one. It returns the exit code.
func Init(args []string, stderr io.Writer) int { return oci.InitMain(args, stderr) }

func ociAvailable(ctx context.Context) (version string, err error) { return oci.Available(ctx, "") }

// containers is the oci driver with the images and the networks that are its alone.
type containers struct {
	*oci.Driver
	images   *image.Store
	networks *network.Host
}

// Close lets go of all three; containers run on.
func (c *containers) Close() error {
	return errors.Join(c.Driver.Close(), c.networks.Close(), c.images.Close())
}

func (c Config) openOCI(ctx context.Context) (driver.Driver, error) {
	if _, err := oci.Available(ctx, ""); err != nil { // before anything is made
		return nil, err
	}
	images, err := image.Open(image.Config{Dir: filepath.Join(c.DataDir, "images"), Log: c.Log})
	if err != nil {
		return nil, err
	}
	networks, err := network.New(ctx, network.Config{
		Scope: c.networkScope(), Dir: filepath.Join(c.DataDir, "network"), VPC: c.vpc(), Log: c.Log,
	})
	if err != nil {
		return nil, errors.Join(err, images.Close())
	}
	d, err := oci.New(ctx, oci.Config{
		Dir: filepath.Join(c.DataDir, "oci"), Images: images, Network: networks, Logger: c.Log,
		HostPath: func(path string) (string, error) { return policy.Resolve(c.policy(), path) },
	})
	if err != nil {
		return nil, errors.Join(err, networks.Close(), images.Close())
	}
	return &containers{Driver: d, images: images, networks: networks}, nil
}
