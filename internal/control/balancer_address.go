package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// AddressTag is the key of the tag by which the owner of a load balancer chooses its address.
const AddressTag = "maitred:address"

// DefaultAddresses are those that load balancers have where none are configured: 127.0.0.1, then 127.0.1.1 to
// 127.0.1.254. All of them are this machine's own, so that several load balancers can have a listener at port 80 each.
func DefaultAddresses() []string {
	const last = 254
	pool := []string{"127.0.0.1"}
	for i := 1; i <= last; i++ {
		pool = append(pool, fmt.Sprintf("127.0.1.%d", i))
	}
	return pool
}

func (c Call) addresses() []string {
	if len(c.Addresses) > 0 {
		return c.Addresses
	}
	return DefaultAddresses()
}

// chooseAddress gives a new load balancer the address that its owner wants, or the first one that no other has. When all
// are taken it shares the first one; then their listeners must not have the same port.
func chooseAddress(v *store.View, call Call, tags []model.Tag) (string, error) {
	if want, ok := addressTag(tags); ok {
		return checkAddress(call, want)
	}
	taken := map[string]bool{}
	for b := range v.LoadBalancers() {
		taken[b.Address] = true
	}
	pool := call.addresses()
	if i := slices.IndexFunc(pool, func(a string) bool { return !taken[a] }); i >= 0 {
		return pool[i], nil
	}
	return pool[0], nil
}

// addressTag gives the address that tags ask for.
func addressTag(tags []model.Tag) (string, bool) {
	i := slices.IndexFunc(tags, func(t model.Tag) bool { return t.Key == AddressTag })
	if i < 0 {
		return "", false
	}
	return tags[i].Value, true
}

// checkAddress refuses an address that a load balancer may not have: others than this machine's users reach it, and
// whether they may is for the operator to say.
func checkAddress(call Call, want string) (string, error) {
	a, err := netip.ParseAddr(want)
	if err == nil && a.Zone() == "" {
		if a.Is4() && a.IsLoopback() || slices.Contains(call.addresses(), a.String()) {
			return a.String(), nil
		}
	}
	hint := "an address from 127.0.0.1 to 127.255.255.254"
	if len(call.Addresses) > 0 {
		hint += " or one of those that are configured: " + strings.Join(call.Addresses, ", ")
	}
	return "", invalid("The value %.100q of the tag '%s' is not an address that a load balancer can have; it should be %s", want, AddressTag, hint)
}

// transports are what a listener of a protocol occupies.
func transports(protocol string) []string {
	switch protocol {
	case "UDP":
		return []string{"UDP"}
	case "TCP_UDP":
		return []string{"TCP", "UDP"}
	}
	return []string{"TCP"}
}

// checkPort refuses a port that another load balancer, of whatever region, has already at the same address.
func checkPort(v *store.View, b *model.LoadBalancer, l *model.Listener) error {
	for other := range v.LoadBalancers() {
		if other.ARN == b.ARN || other.Address != b.Address {
			continue
		}
		for x := range v.Listeners(other.ARN) {
			if x.Port == l.Port && slices.ContainsFunc(transports(x.Protocol), func(t string) bool { return slices.Contains(transports(l.Protocol), t) }) {
				return misconfigured("Port %d at the address %s is already taken by a listener of the load balancer '%s' in %s. "+
					"Give one of them an address of its own when it is created, by the tag %s=127.0.0.2, or another port",
					l.Port, b.Address, other.Name, other.Region, AddressTag)
			}
		}
	}
	return nil
}

// moveBalancer gives a load balancer the address that its new tags ask for. Its listeners go with it.
func moveBalancer(tx *store.Tx, call Call, b *model.LoadBalancer) error {
	want, ok := addressTag(b.Tags)
	if !ok || want == b.Address {
		return nil
	}
	address, err := checkAddress(call, want)
	if err != nil {
		return err
	}
	b.Address = address
	for l := range tx.View().Listeners(b.ARN) {
		if err := checkPort(tx.View(), b, l); err != nil {
			return err
		}
	}
	tx.GuardPrefix(model.KindListener, "")
	tx.GuardPrefix(model.KindLoadBalancer, "")
	b.Cause = call.Cause(fmt.Sprintf("load balancer %s moves to the address %s", b.Name, address))
	return nil
}
