// Package network makes the networks of containers on a Linux machine, without a daemon: a network namespace for a task
// (networkMode awsvpc) or for a container (bridge), a pair of virtual interfaces into a bridge of our own, published
// ports, and the firewall inside a namespace that security groups ask for.
//
// What exists on the machine is the kernel's: namespaces are held by bind mounts, ports by nftables, so that tasks talk
// on when the program that made all this is gone. A file for each endpoint, written before anything is made, tells the
// next run what there may be; Release of it succeeds however far Make had come.
//
// Only IPv4 is carried between namespaces; IPv6 stays on a namespace's loopback interface. AmazonProvidedDNS (the VPC's
// base address plus two) is not imitated: tasks ask the machine's own resolvers, see Resolvers.
package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"

	"github.com/maitred/maitred/internal/model"
)

// The network modes that have a namespace ("NetworkMode" of a task definition). Those of host have none.
const (
	ModeAWSVPC = "awsvpc"
	ModeBridge = "bridge"
	ModeNone   = "none"
)

// MetadataAddress is where tasks find the task metadata and credentials endpoints ("Amazon ECS task metadata endpoint").
const MetadataAddress = "169.254.170.2"

// ErrPortInUse says that a host port cannot be published, because another program or endpoint has it.
var ErrPortInUse = errors.New("port is in use")

// ErrUnsupported says that this operating system has no network namespaces.
var ErrUnsupported = errors.New("networks of containers need Linux")

// Config says where networks are made.
type Config struct {
	// Scope tells the networks of several data directories on one machine apart: 1 to 10 lower-case letters and digits.
	// The names of bridges and tables are made of it.
	Scope string
	// Dir keeps the files of namespaces and endpoints. It shall not be on a network file system.
	Dir string
	// VPC are the ranges of addresses of tasks in mode awsvpc. Traffic from them to the outside is masqueraded.
	VPC []netip.Prefix
	// Bridge is the range of mode bridge, at most 30 bits long. The zero value lets a free /16 be found; the choice is
	// remembered in Dir.
	Bridge netip.Prefix
	Log    *slog.Logger
}

// Request is what a namespace shall be.
type Request struct {
	// ID is the task's id in modes awsvpc and none, where its containers share one namespace, and the container's in
	// mode bridge. It is a file's name.
	ID         string
	Mode       string               // ModeAWSVPC, ModeBridge or ModeNone
	Attachment *model.Attachment    // of mode awsvpc
	Rules      []model.FirewallRule // of mode awsvpc; in force before the first packet
	Ports      []model.PortBinding  // of mode bridge
}

// Endpoint is a namespace that stands ready.
type Endpoint struct {
	Path    string       // of the namespace's file, for a runtime to join
	Address netip.Prefix // of its interface eth0; zero in mode none
	Gateway netip.Addr   // the machine as seen from inside; zero in mode none
}

var (
	scopes = regexp.MustCompile(`^[a-z0-9]{1,10}$`)
	ids    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$`)
)

func (c *Config) check() error {
	switch {
	case !scopes.MatchString(c.Scope):
		return fmt.Errorf("scope %q is not 1 to 10 lower-case letters and digits", c.Scope)
	case c.Dir == "":
		return errors.New("no directory for network namespaces")
	case c.Bridge.IsValid() && (!c.Bridge.Addr().Is4() || c.Bridge.Bits() > 30):
		return fmt.Errorf("range %s of mode bridge is not IPv4 with at least 4 addresses", c.Bridge)
	}
	for _, p := range c.VPC {
		if !p.IsValid() || !p.Addr().Is4() {
			return fmt.Errorf("range %s of mode awsvpc is not IPv4", p)
		}
		if c.Bridge.IsValid() && p.Overlaps(c.Bridge) {
			return fmt.Errorf("ranges %s of mode awsvpc and %s of mode bridge overlap", p, c.Bridge)
		}
	}
	return nil
}
