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

const rootField = "Root="

// maxTraced is how long the fields of a request may be for its trace to be kept: with more, only Root is.
const maxTraced = 7 << 10

// AppendTrace appends the X-Amzn-Trace-Id of a request, made from the one with which it came, "" for none. size is how many
// bytes its fields have; chance is 96 bits' worth of randomness.
func AppendTrace(b []byte, came string, size int, now time.Time, chance [2]uint64) []byte {
	if !traceable(came) {
		return appendID(append(b, rootField...), now, chance)
	}
	return append(b, continued(came, size, string(appendID(nil, now, chance)))...)
}

// appendID appends the name of a new trace.
func appendID(b []byte, now time.Time, chance [2]uint64) []byte {
	b = append(hex(append(b, "1-"...), uint64(uint32(now.Unix())), 8), '-') //nolint:gosec // eight digits until 2106
	return hex(hex(b, chance[0], 16), chance[1], 8)
}

// continued is the trace that came, with our part of it.
func continued(came string, size int, id string) string {
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
		return strings.Join(append([]string{rootField + id}, rest...), ";")
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

// hex appends the last digits of a number.
func hex(b []byte, v uint64, digits int) []byte {
	for digits--; digits >= 0; digits-- {
		b = append(b, "0123456789abcdef"[v>>(4*digits)&15])
	}
	return b
}

// Host gives the Host that a target sees: at a port other than 80 and 443 the listener's is added to a name without one,
// at these two ports any is taken off ("routing.http.preserve_host_header.enabled").
func Host(came string, port int, preserve bool) string {
	name, add := hostFor(came, port, preserve)
	if add {
		return name + ":" + strconv.Itoa(port)
	}
	return name
}

// AppendHost appends what Host gives.
func AppendHost(b []byte, came string, port int, preserve bool) []byte {
	name, add := hostFor(came, port, preserve)
	if b = append(b, name...); add {
		b = strconv.AppendInt(append(b, ':'), int64(port), 10)
	}
	return b
}

// hostFor gives the name, and whether the port has to be added to it.
func hostFor(came string, port int, preserve bool) (name string, add bool) {
	if preserve || came == "" {
		return came, false
	}
	name, has := withoutPort(came)
	if port == 80 || port == 443 {
		return name, false
	}
	return came, !has
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
