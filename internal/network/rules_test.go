package network

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/model"
)

// packet is what rules judge.
type packet struct {
	egress    bool
	protocol  uint8
	number    int // the destination port, or the type of ICMP
	code      int // of ICMP
	otherSide netip.Addr
}

// meant judges a packet by a rule's own words.
func meant(r model.FirewallRule, p packet) bool {
	names := map[string]uint8{"tcp": protoTCP, "udp": protoUDP, "icmp": protoICMP, "6": protoTCP, "17": protoUDP, "1": protoICMP, "47": 47}
	if r.Egress != p.egress || r.Protocol != "-1" && names[r.Protocol] != p.protocol {
		return false
	}
	switch names[r.Protocol] {
	case protoTCP, protoUDP:
		if r.From != -1 && (p.number < r.From || p.number > r.To) {
			return false
		}
	case protoICMP:
		if r.From != -1 && (p.number != r.From || r.To != -1 && p.code != r.To) {
			return false
		}
	}
	return slices.ContainsFunc(r.Ranges, func(text string) bool {
		if block, err := netip.ParsePrefix(text); err == nil {
			return block.Contains(p.otherSide)
		}
		return netip.MustParseAddr(text) == p.otherSide
	})
}

// passes judges a packet as the kernel will.
func (p *passage) passes(k packet) bool {
	if p.egress != k.egress || p.protocol != protoAny && p.protocol != k.protocol {
		return false
	}
	if p.first != -1 {
		switch {
		case p.protocol == protoICMP && (k.number != p.first || p.last != -1 && k.code != p.last):
			return false
		case p.protocol != protoICMP && (k.number < p.first || k.number > p.last):
			return false
		}
	}
	n := number(k.otherSide)
	return slices.ContainsFunc(p.others, func(s span) bool { return s.first <= n && n <= s.last })
}

// Few values, so that rules and packets meet.
func drawAddress(t *rapid.T) netip.Addr {
	return rapid.OneOf(
		rapid.Map(rapid.Uint32Range(0x0a000000, 0x0a00000f), address),
		rapid.Map(rapid.Uint32(), address),
		rapid.SampledFrom([]netip.Addr{address(0), address(everyone.last)}),
	).Draw(t, "address")
}

func drawRule(t *rapid.T) model.FirewallRule {
	r := model.FirewallRule{
		Egress:   rapid.Bool().Draw(t, "egress"),
		Protocol: rapid.SampledFrom([]string{"-1", "tcp", "udp", "icmp", "6", "17", "1", "47"}).Draw(t, "protocol"),
		From:     rapid.IntRange(-1, 6).Draw(t, "from"),
	}
	r.To = rapid.IntRange(max(r.From, 0), 8).Draw(t, "to")
	if r.From == -1 {
		r.To = -1
	}
	for range rapid.IntRange(0, 4).Draw(t, "ranges") {
		a := drawAddress(t)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			r.Ranges = append(r.Ranges, a.String())
		case 1:
			r.Ranges = append(r.Ranges, "fd00::/8")
		default:
			r.Ranges = append(r.Ranges, netip.PrefixFrom(a, rapid.IntRange(0, 32).Draw(t, "bits")).String())
		}
	}
	return r
}

func TestCompileMeansTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(rapid.Custom(drawRule), 0, 6).Draw(t, "rules")
		passages, err := compile(rules)
		if err != nil {
			t.Fatalf("compile: got error %v, want none", err)
		}
		for range 20 {
			k := packet{
				egress:    rapid.Bool().Draw(t, "outwards"),
				protocol:  rapid.SampledFrom([]uint8{protoTCP, protoUDP, protoICMP, 47}).Draw(t, "protocol"),
				number:    rapid.IntRange(0, 9).Draw(t, "number"),
				code:      rapid.IntRange(0, 9).Draw(t, "code"),
				otherSide: drawAddress(t),
			}
			want := slices.ContainsFunc(rules, func(r model.FirewallRule) bool { return meant(r, k) })
			if got := slices.ContainsFunc(passages, func(p passage) bool { return p.passes(k) }); got != want {
				t.Fatalf("packet %+v: got passes %t, want %t by %+v compiled to %+v", k, got, want, rules, passages)
			}
		}
		checkSpans(t, passages)
		again, err := compile(rapid.Permutation(rules).Draw(t, "another order"))
		if diff := cmp.Diff(passages, again, cmp.AllowUnexported(passage{}, span{})); diff != "" || err != nil {
			t.Fatalf("another order of the same rules gives (-first +again), error %v:\n%s", err, diff)
		}
	})
}

// checkSpans wants what a set of intervals needs.
func checkSpans(t *rapid.T, passages []passage) {
	for _, p := range passages {
		for i, s := range p.others {
			if s.first > s.last || i > 0 && uint64(s.first) <= uint64(p.others[i-1].last)+1 {
				t.Fatalf("ranges of %+v overlap, touch or are out of order", p)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, r := range []model.FirewallRule{
		{Protocol: "", From: -1, To: -1},
		{Protocol: "sctp?", From: -1, To: -1},
		{Protocol: "0", From: -1, To: -1},
		{Protocol: "256", From: -1, To: -1},
		{Protocol: "tcp", From: 2, To: 1},
		{Protocol: "tcp", From: 0, To: 65536},
		{Protocol: "udp", From: -2, To: 5},
		{Protocol: "icmp", From: 256, To: -1},
		{Protocol: "tcp", From: 1, To: 1, Ranges: []string{"10.0.0.0/33"}},
		{Protocol: "tcp", From: 1, To: 1, Ranges: []string{"sg-1"}},
		{Protocol: "tcp", From: 1, To: 1, Ranges: []string{"fe80::1%eth0"}},
	} {
		if got, err := compile([]model.FirewallRule{r}); err == nil {
			t.Errorf("compile(%+v): got %+v, want an error", r, got)
		}
	}
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"0.0.0.0/0", "10.0.0.1", "10.0.0.1/8", "fd00::/8", "::ffff:10.0.0.1/128", "", "1.2.3.4/-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseRange(text)
		if err != nil {
			return
		}
		again, err := parseRange(p.String())
		if err != nil || again != p {
			t.Errorf("parseRange(%q): got %v, and of that %v with error %v", text, p, again, err)
		}
		if _, err := compile([]model.FirewallRule{{Protocol: "-1", Ranges: []string{text}}}); err != nil {
			t.Errorf("compile with %q: got error %v, want none", text, err)
		}
	})
}

func TestClaims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(20, 30).Draw(t, "bits")
		c := newClaims(netip.PrefixFrom(address(0x0a800000), bits))
		size := 1<<(32-bits) - 3
		var live []string
		last := map[netip.Addr]int{} // when it was given back, counted in those given back
		back := 0
		for n := range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(live) > 0 && rapid.Bool().Draw(t, "give back") {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				back++
				last[c.records[live[i]].Address.Addr()] = back
				c.drop(live[i])
				live = slices.Delete(live, i, i+1)
				continue
			}
			id := fmt.Sprint("c", n)
			a, err := c.free(id)
			if err != nil {
				if len(live)+len(c.rested) < size {
					t.Fatalf("free: got error %v with %d of %d taken and %d at rest", err, len(live), size, len(c.rested))
				}
				continue
			}
			if !c.bridge.Contains(a) || a == c.bridge.Addr() || a == c.gateway() || number(a) == spanOf(c.bridge).last {
				t.Fatalf("free: got %s, which no container of %s may have", a, c.bridge)
			}
			if c.taken[a] != "" {
				t.Fatalf("free: got %s, which %s has", a, c.taken[a])
			}
			if at, ok := last[a]; ok && back-at < c.rest() {
				t.Fatalf("free: got %s, which rested for %d others, want %d", a, back-at, c.rest())
			}
			c.add(&record{ID: id, Mode: ModeBridge, Address: netip.PrefixFrom(a, bits)})
			live = append(live, id)
		}
	})
}

func TestFreeRange(t *testing.T) {
	t.Parallel()
	var taken []netip.Prefix
	for {
		p, err := freeRange("scope", taken)
		if err != nil {
			break
		}
		if !p.Addr().IsPrivate() || p.Masked() != p || slices.ContainsFunc(taken, p.Overlaps) {
			t.Fatalf("freeRange: got %s, want a private range apart from %v", p, taken)
		}
		taken = append(taken, p)
	}
	if len(taken) != 128+16+16 {
		t.Errorf("freeRange: found %d ranges, want 160", len(taken))
	}
	first, err := freeRange("scope", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12")})
	if err != nil || !netip.MustParsePrefix("192.168.0.0/16").Overlaps(first) {
		t.Errorf("freeRange with 10.0.0.0/8 and 172.16.0.0/12 taken: got %s and error %v, want one of 192.168.0.0/16", first, err)
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	good := Config{Scope: "a1", Dir: "x", VPC: []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")}}
	if err := good.check(); err != nil {
		t.Errorf("check: got error %v, want none", err)
	}
	for name, f := range map[string]func(*Config){
		"no scope":      func(c *Config) { c.Scope = "" },
		"long scope":    func(c *Config) { c.Scope = "abcdefghijk" },
		"capitals":      func(c *Config) { c.Scope = "A" },
		"no directory":  func(c *Config) { c.Dir = "" },
		"small bridge":  func(c *Config) { c.Bridge = netip.MustParsePrefix("10.0.0.0/31") },
		"IPv6 bridge":   func(c *Config) { c.Bridge = netip.MustParsePrefix("fd00::/64") },
		"bridge in VPC": func(c *Config) { c.Bridge = netip.MustParsePrefix("172.31.5.0/24") },
		"no range":      func(c *Config) { c.VPC = []netip.Prefix{{}} },
		"IPv6 range":    func(c *Config) { c.VPC = []netip.Prefix{netip.MustParsePrefix("fd00::/64")} },
	} {
		c := good
		f(&c)
		if err := c.check(); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a","mode":"bridge","addr":"10.0.0.2/16","gateway":"10.0.0.1","ports":[{"addr":"","container":80,"host":8080,"proto":"tcp"}],"made":true}`))
	f.Add([]byte(`{"id":"b"}`))
	f.Add([]byte(`{"id":`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := decodeRecord("a", b)
		if r.ID != "a" {
			t.Errorf("decodeRecord(%q): got id %q, want a", b, r.ID)
		}
		if r.Made && !r.sound() {
			t.Errorf("decodeRecord(%q): got %+v as made, which nothing can be done with", b, r)
		}
	})
}
