package network

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// EnsureMetadataAddress gives the machine's loopback interface the address of the task metadata endpoint. Every
// namespace reaches it by its gateway. Several programs of a machine may share it, each on a port of its own, so it is
// never removed; the next start of the machine is without it. Its scope keeps it from being the source of packets to
// the outside.
func EnsureMetadataAddress(context.Context) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("the loopback interface: %w", err)
	}
	address := &net.IPNet{IP: net.ParseIP(MetadataAddress).To4(), Mask: net.CIDRMask(32, 32)}
	if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: address, Scope: unix.RT_SCOPE_HOST}); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("giving the loopback interface the address %s: %w", MetadataAddress, err)
	}
	return nil
}
