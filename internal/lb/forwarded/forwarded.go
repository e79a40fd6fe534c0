// Package forwarded says what a target is told of the client behind a request: X-Forwarded-For, X-Amzn-Trace-Id, Host
// ("HTTP headers and Application Load Balancers", "Request tracing"). It is pure.
package forwarded

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// MaxAddresses is how many addresses X-Forwarded-For may have; more are answered with 463.
const MaxAddresses = 30

// For gives the X-Forwarded-For fields of a request on its way to a target, from those with which it came; none: no such
// field. mode is append, preserve or remove ("routing.http.xff_header_processing.mode"), anything else is append.
func For(came []string, client netip.AddrPort, mode string, withPort bool) []string {
	switch mode {
	case "preserve":
		return came
	case "remove":
		return nil
	}
	me := client.Addr().Unmap().String()
	if withPort {
		me = netip.AddrPortFrom(client.Addr().Unmap(), client.Port()).String()
	}
	if list := strings.Join(came, ", "); list != "" {
		return []string{list + ", " + me}
	}
	return []string{me}
}

// TooMany says that the X-Forwarded-For fields have more than MaxAddresses.
func TooMany(came []string) bool {
	n := 0
	for _, field := range came {
		if field != "" {
			n += 1 + strings.Count(field, ",")
		}
	}
	return n > MaxAddresses
}

// maxTraced is how long the fields of a request may be for its trace to be kept: with more, only Root is.
const maxTraced = 7 << 10

// Trace gives the X-Amzn-Trace-Id of a request from the one with which it came, "" for none. size is how many bytes its
// fields have; chance is 96 bits' worth of randomness.
func Trace(came string, size int, now time.Time, chance [2]uint64) string {
	id := "1-" + hex(uint64(uint32(now.Unix())), 8) + "-" + hex(chance[0], 16) + hex(chance[1], 8) //nolint:gosec // eight digits until 2106
	if !traceable(came) {
		return "Root=" + id
	}
	var rest []string
	root := ""
	for part := range strings.SplitSeq(came, ";") {
		part = strings.Trim(part, " ")
		switch name, _, _ := strings.Cut(part, "="); {
		case part == "" || strings.EqualFold(name, "Self"):
			continue
		case strings.EqualFold(name, "Root") && root == "":
			root = part
		}
		rest = append(rest, part)
	}
	switch {
	case root == "":
		return strings.Join(append([]string{"Root=" + id}, rest...), ";")
	case size > maxTraced:
		return root
	}
	return "Self=" + id + ";" + strings.Join(rest, ";")
}

// traceable refuses what is no list of fields: another trace begins.
func traceable(came string) bool {
	if came == "" || len(came) > maxTraced {
		return false
	}
	for _, b := range []byte(came) {
		if b < ' ' || b >= 0x7f || b == '"' {
			return false
		}
	}
	return strings.Contains(came, "=")
}

func hex(v uint64, digits int) string {
	s := strconv.FormatUint(v, 16)
	if len(s) > digits {
		return s[len(s)-digits:]
	}
	return strings.Repeat("0", digits-len(s)) + s
}

// Host gives the Host that a target sees: at a port other than 80 and 443 the listener's is added to a name without one,
// at these two ports any is taken off ("routing.http.preserve_host_header.enabled").
func Host(came string, port int, preserve bool) string {
	if preserve || came == "" {
		return came
	}
	name, has := withoutPort(came)
	if port == 80 || port == 443 {
		return name
	}
	if has {
		return came
	}
	return came + ":" + strconv.Itoa(port)
}

func withoutPort(host string) (name string, has bool) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host[i:], ']') >= 0 {
		return host, false
	}
	if strings.IndexByte(host[:i], ':') >= 0 && host[0] != '[' {
		return host, false // an address of IPv6 without brackets: whatever it is, it has no port
	}
	return host[:i], true
}

// Name is a host without its port.
func Name(host string) string {
	name, _ := withoutPort(host)
	return name
}
