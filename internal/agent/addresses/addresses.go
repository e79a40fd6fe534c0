// Package addresses hands out the addresses of the network interfaces that tasks in networkMode awsvpc have. No address is
// given to two tasks at once, and one that was just given back rests for a while, so that late traffic for the task before
// does not reach another one.
package addresses

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

// DefaultRest is how long an address rests if nothing else is said.
const DefaultRest = 60 * time.Second

// Pool is the addresses of a machine's tasks. It belongs to one goroutine. An address is one holder's, whatever subnet it
// was chosen from: subnets that overlap never share one.
type Pool struct {
	rest    time.Duration
	holders map[netip.Addr]string    // task ids
	resting map[netip.Addr]time.Time // until when
}

// New makes a pool in which all addresses are free. A rest of 0 is DefaultRest.
func New(rest time.Duration) *Pool {
	return &Pool{
		rest: cmp.Or(rest, DefaultRest), holders: map[netip.Addr]string{}, resting: map[netip.Addr]time.Time{},
	}
}

// Take gives a task (by id) a network interface in one of its subnets: one in the machine's zone if there is one, else
// the one that gave the fewest. The error says why there is none.
func (p *Pool) Take(task string, subnets []*model.Subnet, zone string, now time.Time) (*model.Attachment, error) {
	p.expire(now)
	for _, s := range p.order(subnets, zone) {
		if addr, ok := p.search(task, s.prefix); ok {
			p.holders[addr] = task
			return attach(task, s, addr), nil
		}
	}
	if len(subnets) == 0 {
		return nil, errors.New("the task names no subnet")
	}
	names := make([]string, 0, len(subnets))
	for _, s := range subnets {
		names = append(names, s.ID+" ("+s.CIDR+")")
	}
	return nil, fmt.Errorf("no address is free in %s", strings.Join(names, ", "))
}

// subnet is a subnet with its addresses.
type subnet struct {
	*model.Subnet
	prefix netip.Prefix
	held   int
}

// order gives the subnets in the order in which they are tried.
func (p *Pool) order(subnets []*model.Subnet, zone string) []subnet {
	list := make([]subnet, 0, len(subnets))
	for _, s := range subnets {
		prefix, err := netip.ParsePrefix(s.CIDR)
		if err != nil || !prefix.Addr().Is4() {
			continue
		}
		prefix = prefix.Masked()
		held := 0
		for addr := range p.holders {
			if prefix.Contains(addr) {
				held++
			}
		}
		list = append(list, subnet{s, prefix, held})
	}
	elsewhere := func(s subnet) int {
		if s.Zone == zone {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b subnet) int {
		return cmp.Or(cmp.Compare(elsewhere(a), elsewhere(b)), cmp.Compare(a.held, b.held), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// The addresses of a subnet that no task gets: its own, the gateway's and the broadcast one.
const (
	gateway  = 1
	first    = 2
	reserved = 3
)

// search finds a free address. Where it begins follows from the task, so that neighbours do not follow one another
// through the subnet.
func (p *Pool) search(task string, prefix netip.Prefix) (netip.Addr, bool) {
	if prefix.Bits() > 30 {
		return netip.Addr{}, false
	}
	size := uint64(1)<<(32-prefix.Bits()) - reserved
	sum := digest("search", task, prefix.String())
	begin := binary.BigEndian.Uint64(sum[:]) % size
	for i := range size {
		addr := at(prefix, first+(begin+i)%size)
		_, taken := p.holders[addr]
		_, rests := p.resting[addr]
		if !taken && !rests {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// at is the n-th address of a prefix, from 0.
func at(prefix netip.Prefix, n uint64) netip.Addr {
	base := prefix.Addr().As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+uint32(n)) //nolint:gosec // n is below the prefix's size
	return netip.AddrFrom4(b)
}

// digest is what ids are made of: no two tasks that ever had the same address share one.
func digest(words ...string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join(words, "\x00")))
}

// attach describes the interface of a task. Its ids follow from the task and the address, so that an agent that begins
// anew gives it the same ones.
func attach(task string, s subnet, addr netip.Addr) *model.Attachment {
	text := addr.String()
	eni, id, random := digest("eni", task, text), digest("attachment", task, text), digest("mac", task, text)
	b := addr.As4()
	mac := net.HardwareAddr{0x0a, random[0], b[0], b[1], b[2], b[3]} // locally administered, one for each address
	return &model.Attachment{
		ID: arn.UUID([16]byte(id[:16])), ENI: "eni-" + hex.EncodeToString(eni[:])[:17],
		VPC: s.VPC, Subnet: s.ID, Zone: s.Zone,
		Address: text, Prefix: s.prefix.Bits(), Gateway: at(s.prefix, gateway).String(), MAC: mac.String(),
	}
}

// Adopt notes the address that a task has from earlier.
func (p *Pool) Adopt(task string, a *model.Attachment) {
	if a == nil {
		return
	}
	if addr, err := netip.ParseAddr(a.Address); err == nil {
		p.holders[addr] = task
		delete(p.resting, addr)
	}
}

// Release takes back the address of a task that may have used it.
func (p *Pool) Release(task string, now time.Time) {
	for addr, holder := range p.holders {
		if holder == task {
			delete(p.holders, addr)
			p.resting[addr] = now.Add(p.rest)
		}
	}
}

// Drop takes back an address that a task never used.
func (p *Pool) Drop(task string) {
	for addr, holder := range p.holders {
		if holder == task {
			delete(p.holders, addr)
		}
	}
}

// Held counts the addresses that tasks have.
func (p *Pool) Held() int { return len(p.holders) }

func (p *Pool) expire(now time.Time) {
	for addr, until := range p.resting {
		if !now.Before(until) {
			delete(p.resting, addr)
		}
	}
}
