package ecs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const (
	portMax       = 65535
	portRangesMax = 100 // of a container ("PortMapping")
)

var portNamePattern = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]{0,63}$`)

// portRange is one port, or several.
type portRange struct{ first, last int }

// checkPorts checks the port mappings of a container ("PortMapping").
func (d *definition) checkPorts(c container) string {
	if d.NetworkMode == types.NetworkModeNone && len(c.PortMappings) > 0 {
		return c.invalid("portMappings", "Port mappings are not supported when networkMode=none.")
	}
	ranges := 0
	for _, p := range c.PortMappings {
		if p.ContainerPortRange != nil {
			ranges++
		}
		if problem := first(d.checkPort(c, p), checkPortName(c, p)); problem != "" {
			return problem
		}
	}
	if ranges > portRangesMax {
		return c.invalid("containerPortRange", "It is there %d times; at most %d are allowed.", ranges, portRangesMax)
	}
	return checkOverlaps(c)
}

func (d *definition) checkPort(c container, p types.PortMapping) string {
	if p.ContainerPortRange != nil {
		return d.checkRange(c, p)
	}
	port, host := aws.ToInt32(p.ContainerPort), p.HostPort
	switch {
	case port < 1 || port > portMax:
		return c.invalid("containerPort", "It should be between 1 and %d, got %d.", portMax, port)
	case host == nil:
		return ""
	case d.samePorts() && *host != port:
		return fmt.Sprintf("When networkMode=%s, the host ports and container ports in port mappings must match. "+
			"Container '%s' has hostPort %d and containerPort %d; leave hostPort out.", d.NetworkMode, c.label(), *host, port)
	case *host < 0 || *host > portMax:
		return c.invalid("hostPort", "It should be between 0 and %d, got %d.", portMax, *host)
	}
	return ""
}

func (d *definition) checkRange(c container, p types.PortMapping) string {
	switch {
	case p.ContainerPort != nil:
		return c.invalid("containerPortRange", "You cannot specify both single port and port range: containerPort is %d.", *p.ContainerPort)
	case p.HostPort != nil:
		return c.invalid("containerPortRange", "hostPort cannot be given with a range; it is %d.", *p.HostPort)
	case d.NetworkMode == types.NetworkModeHost:
		return c.invalid("containerPortRange", "Ranges are only supported when networkMode is bridge or awsvpc.")
	}
	if _, ok := rangeOf(p); !ok {
		return c.invalid("containerPortRange", "It should be FIRST-LAST with FIRST less than LAST, between 1 and %d; got %.100q.",
			portMax, *p.ContainerPortRange)
	}
	return ""
}

// rangeOf gives the ports of a mapping.
func rangeOf(p types.PortMapping) (portRange, bool) {
	if p.ContainerPortRange == nil {
		port := int(aws.ToInt32(p.ContainerPort))
		return portRange{port, port}, port > 0
	}
	from, to, ok := strings.Cut(*p.ContainerPortRange, "-")
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(to)
	return portRange{a, b}, ok && errA == nil && errB == nil && 0 < a && a < b && b <= portMax
}

func checkPortName(c container, p types.PortMapping) string {
	if p.Name != nil && !portNamePattern.MatchString(*p.Name) {
		return c.invalid("portMappings.name", "1 to 64 lower-case letters, digits, underscores and hyphens are allowed, "+
			"beginning with no hyphen; got %.100q.", *p.Name)
	}
	return ""
}

// checkOverlaps refuses a container port that is exposed for two protocols, and ranges that have ports in common.
func checkOverlaps(c container) string {
	mappings := slices.Clone(c.PortMappings)
	slices.SortStableFunc(mappings, func(a, b types.PortMapping) int {
		x, _ := rangeOf(a)
		y, _ := rangeOf(b)
		return cmp.Compare(x.first, y.first)
	})
	for i := 1; i < len(mappings); i++ {
		a, b := mappings[i-1], mappings[i]
		x, _ := rangeOf(a)
		y, _ := rangeOf(b)
		if y.first > x.last {
			continue
		}
		if a.ContainerPortRange != nil || b.ContainerPortRange != nil {
			return c.invalid("containerPortRange", "The ports from %d to %d are mapped twice.", y.first, min(x.last, y.last))
		}
		if protocol(a) != protocol(b) {
			return c.invalid("containerPort", "The port %d cannot be exposed for two protocols.", x.first)
		}
	}
	return ""
}

func protocol(p types.PortMapping) types.TransportProtocol {
	return cmp.Or(p.Protocol, types.TransportProtocolTcp)
}

// checkPortNames refuses a name that two port mappings of the task definition have.
func checkPortNames(d *definition) string {
	seen := map[string]bool{}
	for _, c := range d.containers() {
		for _, p := range c.PortMappings {
			if p.Name == nil {
				continue
			}
			if seen[*p.Name] {
				return c.invalid("portMappings.name", "Names of port mappings must be unique within a task definition; '%s' is there twice.", *p.Name)
			}
			seen[*p.Name] = true
		}
	}
	return ""
}

// checkHostPorts refuses a fixed port of the machine that two mappings of the task ask for: such a task could never run.
func checkHostPorts(d *definition) string {
	type fixed struct {
		port     int32
		protocol types.TransportProtocol
	}
	seen := map[fixed]bool{}
	for _, c := range d.containers() {
		for _, p := range c.PortMappings {
			port := fixed{aws.ToInt32(p.HostPort), protocol(p)}
			if d.NetworkMode == types.NetworkModeHost {
				port.port = aws.ToInt32(p.ContainerPort)
			}
			if port.port == 0 || d.NetworkMode == types.NetworkModeAwsvpc {
				continue
			}
			if seen[port] {
				return c.invalid("hostPort", "The port %d/%s of the machine is asked for twice.", port.port, port.protocol)
			}
			seen[port] = true
		}
	}
	return ""
}

// checkNetworkMembers refuses members that do not go together with the network mode.
func (d *definition) checkNetworkMembers(c container) string {
	awsvpc, bridge := d.NetworkMode == types.NetworkModeAwsvpc, d.NetworkMode == "" || d.NetworkMode == types.NetworkModeBridge
	for _, m := range []struct {
		member, words string
		set, refused  bool
	}{
		{"disableNetworking", "Disable Networking", aws.ToBool(c.DisableNetworking), awsvpc},
		{"links", "Links", len(c.Links) > 0, !bridge},
		{"hostname", "Hostname", aws.ToString(c.Hostname) != "", awsvpc},
		{"dnsServers", "DNS Servers", len(c.DnsServers) > 0, awsvpc},
		{"dnsSearchDomains", "DNS Search Domains", len(c.DnsSearchDomains) > 0, awsvpc},
		{"extraHosts", "Extra Hosts", len(c.ExtraHosts) > 0, awsvpc},
	} {
		if m.set && m.refused {
			return fmt.Sprintf("%s is not supported on container when networkMode=%s. Leave %s out of container '%s'.",
				m.words, d.NetworkMode, m.member, c.label())
		}
	}
	return ""
}
