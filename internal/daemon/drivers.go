package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/maitred/maitred/internal/agent/policy"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/docker"
	"github.com/maitred/maitred/internal/driver/oci"
	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/network"
)

// The names of the drivers, beside auto.
const (
	driverOCI     = "oci"
	driverDocker  = "docker"
	driverProcess = "process"
)

func knownDriver(name string) bool {
	switch name {
	case "auto", driverOCI, driverDocker, driverProcess:
		return true
	}
	return false
}

// refuse says why a machine cannot run a task definition: what its operator does not allow or its driver cannot honour,
// by name.
func refuse(m *model.Machine, def *model.TaskDefinition) string {
	if why := policy.Refuse(m.Policy, def); why != "" {
		return why
	}
	switch m.Driver {
	case driverOCI:
		return oci.Refuse(def)
	case driverDocker:
		return docker.Refuse(def)
	case driverProcess:
		return process.Refuse(def)
	}
	return ""
}

// openDriver opens the driver that is asked for or, for auto, the best that there is. It says which and why.
func (c Config) openDriver(ctx context.Context) (d driver.Driver, reason string, err error) {
	name, reason := c.Driver, "asked for by --driver"
	if name == "auto" {
		name, reason = chooseDriver(ctx)
	}
	switch name {
	case driverOCI:
		d, err = c.openOCI(ctx)
	case driverDocker:
		d, err = c.openDocker(ctx)
	default:
		// Relative programs and directories are meant from where maitred was started, as in a shell.
		here, _ := os.Getwd()
		d, err = process.New(ctx, process.Config{Dir: filepath.Join(c.DataDir, "keeper"), WorkingDirectory: here, Logger: c.Log})
	}
	if err != nil {
		return nil, "", fmt.Errorf("open the %s driver: %w", name, err)
	}
	return d, reason, nil
}

// openDocker opens the docker driver. Only root can put firewall rules into the networks of containers, so that tasks in
// networkMode awsvpc are refused to others.
func (c Config) openDocker(ctx context.Context) (driver.Driver, error) {
	config := docker.Config{Scope: c.DataDir, VPC: c.vpc(), Log: c.Log}
	if os.Geteuid() == 0 {
		config.Secure = network.SecurePath
	}
	return docker.New(ctx, config)
}

// vpc is the range of addresses of tasks in networkMode awsvpc. It was checked before.
func (c Config) vpc() []netip.Prefix {
	p, err := netip.ParsePrefix(c.VPC)
	if err != nil {
		return nil
	}
	return []netip.Prefix{p}
}

// networkScope tells this data directory's networks from those of another one on the same machine.
func (c Config) networkScope() string {
	sum := sha256.Sum256([]byte(c.DataDir))
	return hex.EncodeToString(sum[:4])
}

// chooseDriver takes containers without a daemon where they can be had, for they start fastest; then Docker's; then
// plain processes, which run everywhere.
func chooseDriver(ctx context.Context) (name, reason string) {
	version, noOCI := ociAvailable(ctx)
	if noOCI == nil {
		return driverOCI, version + " runs containers here, without a daemon"
	}
	version, noDocker := docker.Answers(ctx)
	if noDocker == nil {
		return driverDocker, "Docker " + version + " answers; " + noOCI.Error()
	}
	return driverProcess, "programs run as plain processes, without isolation: " + noOCI.Error() + ", and no Docker answers here"
}

// keeping is a driver whose containers' parent is a keeper.
type keeping interface {
	StopKeeper(ctx context.Context) error
}

// closeDriver lets go of the driver, and of the keeper when nothing is left for it to keep.
func (s *server) closeDriver(ctx context.Context, d driver.Driver) error {
	var err error
	if k, ok := d.(keeping); ok && !s.cfg.Detach {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		err = k.StopKeeper(end)
	}
	return errors.Join(err, d.Close())
}
