//go:build !linux

package network

import (
	"context"
	"net/netip"

	"github.com/maitred/maitred/internal/model"
)

// Host makes networks on this machine, where it cannot.
type Host struct{}

// Available says that networks cannot be made here.
func Available() error { return ErrUnsupported }

// New fails with ErrUnsupported.
func New(context.Context, Config) (*Host, error) { return nil, ErrUnsupported }

// Make fails with ErrUnsupported.
func (*Host) Make(context.Context, Request) (Endpoint, error) { return Endpoint{}, ErrUnsupported }

// Secure fails with ErrUnsupported.
func (*Host) Secure(context.Context, string, []model.FirewallRule) error { return ErrUnsupported }

// Release fails with ErrUnsupported.
func (*Host) Release(context.Context, string) error { return ErrUnsupported }

// List tells that there is nothing.
func (*Host) List() []string { return nil }

// Close does nothing.
func (*Host) Close() error { return nil }

// SecurePath fails with ErrUnsupported.
func SecurePath(context.Context, string, netip.Addr, []model.FirewallRule) error {
	return ErrUnsupported
}

// EnsureMetadataAddress fails with ErrUnsupported.
func EnsureMetadataAddress(context.Context) error { return ErrUnsupported }
