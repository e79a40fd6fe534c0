package control_test

import (
	"testing"

	"github.com/maitred/maitred/internal/control"
)

// TestCheckVPC takes blocks that tasks can have addresses of, and no others.
func TestCheckVPC(t *testing.T) {
	t.Parallel()
	for _, cidr := range []string{control.DefaultCIDR, "10.0.0.0/8", "192.168.7.0/24", "100.64.0.0/10", "203.0.113.0/24"} {
		if problem := control.CheckVPC(cidr); problem != "" {
			t.Errorf("%s: got %q, want it taken", cidr, problem)
		}
	}
	for _, cidr := range []string{
		"", "x", "10.0.0.0", "10.0.0.0/33", "10.0.0.1/16", "10.0.0.0/25", "8.0.0.0/7", "fd00::/16",
		"0.0.0.0/8", "127.0.0.0/8", "127.5.0.0/16", "169.254.0.0/16", "169.254.170.0/24", "224.0.0.0/16", "240.0.0.0/8", "255.255.255.0/24",
	} {
		if problem := control.CheckVPC(cidr); problem == "" {
			t.Errorf("%q: got it taken, want it refused", cidr)
		}
	}
}
