package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// NewTarget is a target as RegisterTargets, DeregisterTargets and DescribeTargetHealth name it.
type NewTarget struct {
	ID   string
	Port int // 0: that of the target group
	Zone string
}

// RegisterTargets registers targets with a group (given by ARN), or takes back those that are being deregistered. It says
// whether there are more than can be written at once; then it has to be called again ("RegisterTargets").
func RegisterTargets(tx *store.Tx, call Call, group string, in []NewTarget) (more bool, err error) {
	g, err := FindTargetGroup(tx.View(), call, group)
	if err != nil {
		return false, err
	}
	tx.Guard(g.Key())
	registered := 0
	for t := range tx.View().Targets(g.ARN) {
		if !t.Draining() {
			registered++
		}
	}
	written := map[string]bool{}
	for _, n := range in {
		t, err := resolveTarget(tx.View(), call, g, n)
		if err != nil {
			return false, err
		}
		old := findTarget(tx.View(), g.ARN, t.ID, t.Port)
		if old != nil && !old.Draining() || written[t.Path()] {
			continue
		}
		if registered++; registered > TargetsMax {
			return false, refused("TooManyTargets", "The target group '%s' would have %d targets; at most %d are allowed", g.ARN, registered, TargetsMax)
		}
		written[t.Path()] = true
		if len(written) > balancingPart {
			more = true // the rest is checked all the same: what is bad shall be known before anything is written
			continue
		}
		t.RegisteredAt, t.Cause = call.Now, call.Cause(fmt.Sprintf("%s:%d is registered with target group %s", t.ID, t.Port, g.Name))
		tx.Put(t)
	}
	return more, nil
}

// findTarget finds the target of a group at an id and port: the one that is registered, else one that is being
// deregistered; nil if there is none.
func findTarget(v *store.View, group, id string, port int) (found *model.Target) {
	for t := range v.Targets(group) {
		if t.ID == id && t.Port == port && (found == nil || found.Draining()) {
			found = t
		}
	}
	return found
}

// resolveTarget checks a target that is to be registered, and finds its address.
func resolveTarget(v *store.View, call Call, g *model.TargetGroup, in NewTarget) (*model.Target, error) {
	t := &model.Target{Group: g.ARN, ID: in.ID, Port: cmp.Or(in.Port, g.Port), Zone: in.Zone}
	if in.Zone != "" && in.Zone != "all" && !slices.Contains(Zones(call.Region), in.Zone) {
		return nil, invalid("Availability Zone '%.100s' is not valid; it should be one of %v, or all", in.Zone, Zones(call.Region))
	}
	if g.TargetType == "instance" {
		if in.Zone != "" {
			return nil, invalid("You cannot specify an Availability Zone for targets of type 'instance'")
		}
		m, ok := findMachine(v, in.ID)
		if !ok {
			return nil, refused("InvalidTarget", "Instance ID '%.100s' is not valid: no machine has it as its id, host name or instance id", in.ID)
		}
		if m.Address == "" {
			return nil, refused("InvalidTarget", "The machine %s has no address where its ports are reached", m.Host)
		}
		t.ID, t.Address = arn.InstanceID(m.ID), m.Address
		return t, nil
	}
	address, err := targetAddress(v, g, in.ID)
	t.ID, t.Address = address, address
	return t, err
}

// FollowMachine has the targets that are a machine as an instance, registered by a call of the API, be where the machine is
// reached now. It does a part at a time: while more is true, it has to be called again in another transaction.
func FollowMachine(tx *store.Tx, m *model.Machine) (more bool) {
	if m.Address == "" {
		return false
	}
	n, id := 0, arn.InstanceID(m.ID)
	for t := range tx.View().Targets("") {
		if t.ID != id || t.Task != "" || t.Address == m.Address {
			continue
		}
		if n++; n > balancingPart {
			return true
		}
		moved := *t
		moved.Address = m.Address
		tx.Put(&moved)
	}
	return false
}

// findMachine finds a machine by its instance id, its own id, or its host name if no other has that.
func findMachine(v *store.View, id string) (*model.Machine, bool) {
	var named []*model.Machine
	for m := range v.Machines() {
		if m.ID == id || arn.InstanceID(m.ID) == id {
			return m, true
		}
		if m.Host == id {
			named = append(named, m)
		}
	}
	if len(named) == 1 {
		return named[0], true
	}
	return nil, false
}

// targetAddress checks the IP address of a target: one of the group's VPC, a private one as ELB takes them (RFC 1918 and
// RFC 6598), or, where everything may be on one machine, one of the loopback network.
func targetAddress(v *store.View, g *model.TargetGroup, id string) (string, error) {
	a, err := netip.ParseAddr(id)
	if err != nil || !a.Is4() {
		return "", refused("InvalidTarget", "The IP address '%.100s' is not a valid IPv4 address", id)
	}
	shared := netip.MustParsePrefix("100.64.0.0/10")
	if a.IsPrivate() || a.IsLoopback() || shared.Contains(a) {
		return a.String(), nil
	}
	for vpc := range v.VPCs(g.Region) {
		if block, err := netip.ParsePrefix(vpc.CIDR); err == nil && vpc.ID == g.VPC && block.Contains(a) {
			return a.String(), nil
		}
	}
	return "", refused("InvalidTarget", "The IP address '%s' cannot be a target: it is neither in the VPC of the target group, nor in one of "+
		"10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 and 127.0.0.0/8", a)
}

// DeregisterTargets begins to deregister targets of a group (given by ARN): they get no new requests, and what is in flight
// has the group's deregistration delay. Those that are not registered are passed over ("DeregisterTargets"). It says
// whether there are more than can be written at once; then it has to be called again.
func DeregisterTargets(tx *store.Tx, call Call, group string, in []NewTarget) (more bool, err error) {
	g, err := FindTargetGroup(tx.View(), call, group)
	if err != nil {
		return false, err
	}
	delay := g.DeregistrationDelay()
	if !GroupInUse(tx.View(), g.ARN) {
		delay = 0 // nothing is in flight where nothing leads to
	}
	written := 0
	done := map[model.Key]bool{}
	for _, n := range in {
		id, err := knownTarget(tx.View(), g, n.ID)
		if err != nil {
			return false, err
		}
		for t := range tx.View().Targets(g.ARN) {
			if t.ID != id || t.Port != cmp.Or(n.Port, g.Port) || t.Draining() || done[t.Key()] {
				continue
			}
			if written++; written > balancingPart {
				return true, nil
			}
			done[t.Key()] = true
			tx.Put(drain(t, call.Now, delay, call.Cause(fmt.Sprintf("%s:%d is deregistered from target group %s", t.ID, t.Port, g.Name))))
		}
	}
	return false, nil
}

// drain is a target whose deregistration begins now.
func drain(t *model.Target, now time.Time, delay time.Duration, cause model.Cause) *model.Target {
	d := *t
	d.DrainAt, d.DrainBy, d.Cause = now, now.Add(delay), cause
	return &d
}

// instanceID is what ids of instances look like ("DescribeInstances").
var instanceID = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

// knownTarget gives the id under which a target would be registered, whether it is or not. An id that cannot be one is
// refused. A machine that is gone is still known by its instance id.
func knownTarget(v *store.View, g *model.TargetGroup, id string) (string, error) {
	if g.TargetType == "instance" {
		if m, ok := findMachine(v, id); ok {
			return arn.InstanceID(m.ID), nil
		}
		if !instanceID.MatchString(id) {
			return "", refused("InvalidTarget", "Instance ID '%.100s' is not valid", id)
		}
		return id, nil
	}
	a, err := netip.ParseAddr(id)
	if err != nil || !a.Is4() {
		return "", refused("InvalidTarget", "The IP address '%.100s' is not a valid IPv4 address", id)
	}
	return a.String(), nil
}
