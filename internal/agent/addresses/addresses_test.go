package addresses_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/agent/addresses"
	"github.com/maitred/maitred/internal/model"
)

func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func subnet(id, zone, cidr string) *model.Subnet {
	return &model.Subnet{ID: id, Region: "r", VPC: "vpc-1", Zone: zone, CIDR: cidr}
}

func take(t *testing.T, p *addresses.Pool, task string, subnets ...*model.Subnet) *model.Attachment {
	t.Helper()
	a, err := p.Take(task, subnets, "za", now())
	if err != nil {
		t.Fatalf("Take(%s): %v", task, err)
	}
	return a
}

func TestTake(t *testing.T) {
	t.Parallel()
	a := take(t, addresses.New(0), "0123", subnet("subnet-1", "za", "10.0.0.4/30"))
	ids := []struct{ name, got, form string }{
		{"id", a.ID, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		{"network interface", a.ENI, `^eni-[0-9a-f]{17}$`},
		{"MAC address", a.MAC, `^0a:[0-9a-f]{2}:0a:00:00:06$`},
	}
	for _, id := range ids {
		if !regexp.MustCompile(id.form).MatchString(id.got) {
			t.Errorf("got %s %q, want one like %s", id.name, id.got, id.form)
		}
	}
	want := &model.Attachment{
		ID: a.ID, ENI: a.ENI, MAC: a.MAC,
		VPC: "vpc-1", Subnet: "subnet-1", Zone: "za", Address: "10.0.0.6", Prefix: 30, Gateway: "10.0.0.5",
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again := take(t, addresses.New(0), "0123", subnet("subnet-1", "za", "10.0.0.4/30"))
	if diff := cmp.Diff(a, again); diff != "" {
		t.Errorf("another agent gives something else (-first +second):\n%s", diff)
	}
	if other := take(t, addresses.New(0), "4567", subnet("subnet-1", "za", "10.0.0.4/30")); other.ID == a.ID || other.ENI == a.ENI {
		t.Errorf("another task has the same ids: %+v", other)
	}
}

// TestZone takes the subnet of the machine's zone as long as it has addresses, and else the one that gave the fewest.
func TestZone(t *testing.T) {
	t.Parallel()
	p := addresses.New(0)
	subnets := []*model.Subnet{
		subnet("subnet-1", "zb", "10.0.1.0/24"), subnet("subnet-2", "zc", "10.0.2.0/24"), subnet("subnet-3", "za", "10.0.3.0/30"),
	}
	var got []string
	for i := range 5 {
		got = append(got, take(t, p, fmt.Sprint("t", i), subnets...).Subnet)
	}
	if diff := cmp.Diff([]string{"subnet-3", "subnet-1", "subnet-2", "subnet-1", "subnet-2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoAddress(t *testing.T) {
	t.Parallel()
	p := addresses.New(time.Minute)
	small := subnet("subnet-1", "za", "10.0.0.0/30")
	take(t, p, "one", small)
	for _, test := range []struct {
		name    string
		subnets []*model.Subnet
		want    string
	}{
		{"all taken", []*model.Subnet{small}, "no address is free in subnet-1 (10.0.0.0/30)"},
		{"no room", []*model.Subnet{subnet("subnet-2", "za", "10.0.1.0/31")}, "subnet-2"},
		{"one address", []*model.Subnet{subnet("subnet-2", "za", "10.0.1.0/32")}, "subnet-2"},
		{"no CIDR block", []*model.Subnet{subnet("subnet-3", "za", "x")}, "subnet-3"},
		{"another sort", []*model.Subnet{subnet("subnet-4", "za", "fd00::/64")}, "subnet-4"},
		{"no subnet", nil, "names no subnet"},
	} {
		if _, err := p.Take("two", test.subnets, "za", now()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	p := addresses.New(time.Minute)
	small := []*model.Subnet{subnet("subnet-1", "za", "10.0.0.0/30")}
	a := take(t, p, "one", small...)
	p.Release("one", now())
	if _, err := p.Take("two", small, "za", now().Add(59*time.Second)); err == nil {
		t.Error("an address was given away while it rested")
	}
	if _, err := p.Take("two", small, "za", now().Add(time.Minute)); err != nil {
		t.Errorf("after its rest: %v", err)
	}
	p.Drop("two")
	take(t, p, "three", small...) // what was never used does not rest
	p.Drop("three")
	p.Adopt("four", a)
	p.Adopt("five", nil)
	if _, err := p.Take("six", small, "za", now()); err == nil || p.Held() != 1 {
		t.Errorf("got %v with %d held, want an error: the address is adopted", err, p.Held())
	}
}

// TestNeverTwice takes, adopts and releases at random from subnets that overlap: no address has two holders, none is one
// that no task may have, and none is lost.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		subnets := []*model.Subnet{
			subnet("subnet-1", "za", "10.0.0.0/28"), subnet("subnet-2", "zb", "10.0.0.8/29"), subnet("subnet-3", "za", "10.0.1.0/29"),
		}
		p := addresses.New(time.Second)
		at, held, taken := now(), map[string]*model.Attachment{}, map[string]string{}
		for i := range 60 {
			if rapid.Bool().Draw(t, "take") || len(held) == 0 {
				task := fmt.Sprint("t", i)
				a, err := p.Take(task, subnets, "za", at)
				if err != nil {
					continue
				}
				if holder, ok := taken[a.Address]; ok {
					t.Fatalf("%s is given to %s and %s", a.Address, holder, task)
				}
				allowed(t, a)
				taken[a.Address], held[task] = task, a
				continue
			}
			for task, a := range held {
				p.Release(task, at)
				delete(taken, a.Address)
				delete(held, task)
				break
			}
			at = at.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
		}
		for task := range held {
			p.Release(task, at)
		}
		if p.Held() != 0 {
			t.Fatalf("%d addresses are held when all are given back", p.Held())
		}
		at = at.Add(time.Second)
		for i := range 13 + 5 {
			if _, err := p.Take(fmt.Sprint("last", i), subnets[:3:3], "za", at); err != nil {
				t.Fatalf("addresses were lost: %v", err)
			}
		}
	})
}

func allowed(t *rapid.T, a *model.Attachment) {
	addr := netip.MustParseAddr(a.Address)
	prefix := netip.PrefixFrom(addr, a.Prefix).Masked()
	if addr == prefix.Addr() || a.Address == a.Gateway || !prefix.Contains(addr.Next()) {
		t.Fatalf("%s of %s is not for tasks", a.Address, prefix)
	}
}
