package network

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// Resolv is what a resolv.conf says.
type Resolv struct {
	Nameservers []netip.Addr
	Search      []string
	Options     []string
}

// String is the text of a resolv.conf.
func (r Resolv) String() string {
	var b strings.Builder
	for _, n := range r.Nameservers {
		b.WriteString("nameserver " + n.String() + "\n")
	}
	if len(r.Search) > 0 {
		b.WriteString("search " + strings.Join(r.Search, " ") + "\n")
	}
	if len(r.Options) > 0 {
		b.WriteString("options " + strings.Join(r.Options, " ") + "\n")
	}
	return b.String()
}

// Where the machine says which resolvers it uses. The second one is systemd-resolved's own list of them: with it the
// first one names its stub on a loopback address, that no other namespace can reach.
const (
	resolvConf = "/etc/resolv.conf"
	resolvStub = "/run/systemd/resolve/resolv.conf"
)

// Resolvers tells how names are resolved in a namespace of a task: by the machine's own resolvers, as far as they can
// be reached from there. Those on loopback addresses cannot, and IPv6 ends at the namespace. Nameservers is empty if
// none can; then names are resolved for tasks only if their definitions name a server (dnsServers). AmazonProvidedDNS
// is not imitated.
func Resolvers() (Resolv, error) { return resolversOf(resolvConf, resolvStub) }

func resolversOf(paths ...string) (Resolv, error) {
	var best Resolv
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Resolv{}, err
		}
		r, err := parseResolv(f)
		_ = f.Close()
		if err != nil {
			return Resolv{}, err
		}
		r.Nameservers = reachable(r.Nameservers)
		if len(r.Nameservers) > 0 {
			return r, nil
		}
		if best.Search == nil && best.Options == nil {
			best = r
		}
	}
	return best, nil
}

// parseResolv reads what resolv.conf(5) describes, as the resolver does: what it does not know it passes over, and the
// last search or domain holds.
func parseResolv(r io.Reader) (Resolv, error) {
	var out Resolv
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(fields[1]); err == nil {
				out.Nameservers = append(out.Nameservers, a)
			}
		case "search":
			out.Search = fields[1:]
		case "domain":
			out.Search = fields[1:2]
		case "options":
			out.Options = append(out.Options, fields[1:]...)
		}
	}
	return out, lines.Err()
}

func reachable(all []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range all {
		if a = a.Unmap(); a.Is4() && !a.IsLoopback() && !a.IsUnspecified() {
			out = append(out, a)
		}
	}
	return out
}
