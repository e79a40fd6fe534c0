package network

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Docker drops what the machine passes on and is not Docker's own (policy of the chain FORWARD). To accept it in a
// table of ours does not help, because each table can drop; Docker looks at the chain DOCKER-USER first, which is there
// for others.
var dockerUser = &nftables.Chain{Name: "DOCKER-USER", Table: &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}}

// letDockerForward accepts traffic of a mode's bridge in Docker's chain, if there is one. Docker may be started at any
// time, so this is done again and again.
func (h *Host) letDockerForward(mode string) error {
	name := h.bridgeName(mode)
	err := h.transact(func(c *nftables.Conn) error {
		present, err := dockerRules(c)
		if err != nil || present == nil {
			return err
		}
		for _, way := range [][]expr.Any{inBy(name), outBy(name)} {
			if slices.ContainsFunc(present, func(r *nftables.Rule) bool { return begins(r, way) }) {
				continue
			}
			c.InsertRule(&nftables.Rule{
				Table: dockerUser.Table, Chain: dockerUser, Exprs: append(way, &expr.Counter{}, accept),
			})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("letting Docker's firewall pass the traffic of %s: %w", name, err)
	}
	return nil
}

// keepDockerFrom removes what letDockerForward added.
func (h *Host) keepDockerFrom() error {
	err := h.transact(func(c *nftables.Conn) error {
		present, err := dockerRules(c)
		if err != nil {
			return err
		}
		for _, r := range present {
			if !h.ours(r) {
				continue
			}
			if err := c.DelRule(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing rules from Docker's chain %s: %w", dockerUser.Name, err)
	}
	return nil
}

// ours says whether a rule of Docker's chain is about one of our bridges.
func (h *Host) ours(r *nftables.Rule) bool {
	return slices.ContainsFunc([]string{h.bridgeName(ModeAWSVPC), h.bridgeName(ModeBridge)}, func(name string) bool {
		return begins(r, inBy(name)) || begins(r, outBy(name))
	})
}

// dockerRules are the rules of Docker's chain; nil if there is no such chain.
func dockerRules(c *nftables.Conn) ([]*nftables.Rule, error) {
	chains, err := c.ListChainsOfTableFamily(dockerUser.Table.Family)
	if err != nil {
		return nil, fmt.Errorf("looking for Docker's chain %s: %w", dockerUser.Name, err)
	}
	if !slices.ContainsFunc(chains, func(c *nftables.Chain) bool {
		return c.Name == dockerUser.Name && c.Table.Name == dockerUser.Table.Name
	}) {
		return nil, nil
	}
	rules, err := c.GetRules(dockerUser.Table, dockerUser)
	if err != nil {
		return nil, fmt.Errorf("reading Docker's chain %s: %w", dockerUser.Name, err)
	}
	return append([]*nftables.Rule{}, rules...), nil
}

// begins says whether a rule begins with the comparison of an interface's name.
func begins(r *nftables.Rule, way []expr.Any) bool {
	if len(r.Exprs) < len(way) {
		return false
	}
	key, ok := r.Exprs[0].(*expr.Meta)
	name, ok2 := r.Exprs[1].(*expr.Cmp)
	return ok && ok2 && key.Key == way[0].(*expr.Meta).Key && name.Op == expr.CmpOpEq &&
		bytes.Equal(bytes.TrimRight(name.Data, "\x00"), bytes.TrimRight(way[1].(*expr.Cmp).Data, "\x00"))
}
