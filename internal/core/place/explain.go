package place

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Reason is why a task cannot go to a container instance, in the words of ECS ("API failure reasons").
type Reason string

// The reasons, the gravest first: those that time alone may cure come last.
const (
	ReasonMissing  Reason = "MISSING"  // the cluster has no such instance
	ReasonDraining Reason = "DRAINING" // not a word of ECS, which does not look at such instances at all
	ReasonAgent    Reason = "AGENT"
	// ReasonDriver is not a word of ECS either: the machine's driver cannot run such a task.
	ReasonDriver    Reason = "DRIVER"
	ReasonAttribute Reason = "ATTRIBUTE"
	ReasonLocation  Reason = "LOCATION" // the machine is in another availability zone than the subnets
	ReasonMemberOf  Reason = "MemberOf placement constraint unsatisfied."
	ReasonDistinct  Reason = "DistinctInstance placement constraint unsatisfied."
	ReasonCPU       Reason = "RESOURCE:CPU"
	ReasonMemory    Reason = "RESOURCE:MEMORY"
	ReasonGPU       Reason = "RESOURCE:GPU"
	ReasonPorts     Reason = "RESOURCE:PORTS"
)

// gravity orders reasons for the choice of the closest match; all resources are alike.
func (r Reason) gravity() int {
	order := []Reason{ReasonDistinct, ReasonMemberOf, ReasonAttribute, ReasonLocation, ReasonDriver, ReasonAgent, ReasonDraining, ReasonMissing}
	return slices.Index(order, r) + 1
}

// Misfit is one thing that keeps a task from an instance.
type Misfit struct {
	Reason Reason
	Detail string // with the numbers: "needs 512 CPU units, 128 of 1024 are free"
	// Needs and Has are the amounts of a resource; zero for other reasons.
	Needs, Has int
}

// Verdict is what speaks against one container instance. Without misfits the task would fit.
type Verdict struct {
	Instance string // ARN
	Machine  string // id
	Host     string
	Misfits  []Misfit // the gravest first
}

// String gives one line: the host, the instance, and all reasons.
func (v Verdict) String() string {
	reasons := make([]string, len(v.Misfits))
	for i, m := range v.Misfits {
		reasons[i] = strings.TrimSuffix(string(m.Reason), ".") + ": " + m.Detail
	}
	if len(reasons) == 0 {
		reasons = []string{"fits"}
	}
	return fmt.Sprintf("%s (container-instance %s) %s", v.Host, model.ShortID(v.Instance), strings.Join(reasons, "; "))
}

// shortage is how much is missing of all resources together, in thousandths of what is needed.
func (v Verdict) shortage() (sum int) {
	for _, m := range v.Misfits {
		if m.Needs > 0 {
			sum += (m.Needs - m.Has) * 1000 / m.Needs
		}
	}
	return sum
}

// Explanation says of each container instance of the cluster why it does not take a task.
type Explanation struct {
	Verdicts []Verdict // by ARN
}

// Explain looks at all instances as they are now.
func (s *Search) Explain() Explanation {
	s.tally = s.in.tally(s.req.Group)
	e := Explanation{Verdicts: make([]Verdict, 0, len(s.in.instances))}
	for _, i := range s.in.instances {
		e.Verdicts = append(e.Verdicts, Verdict{i.rec.ARN, i.on.ID, i.on.Host, s.misfits(i)})
	}
	return e
}

// Closest is the instance that misses the least: the one whose gravest reason is the lightest, then with the fewest
// reasons, then with the smallest shortage, then the lower ARN. ok is false if there is no ACTIVE instance, or if the
// task fits somewhere after all.
func (e Explanation) Closest() (v Verdict, ok bool) {
	if len(e.Verdicts) == 0 {
		return Verdict{}, false
	}
	v = slices.MinFunc(e.Verdicts, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(gravest(a), gravest(b)), cmp.Compare(len(a.Misfits), len(b.Misfits)), cmp.Compare(a.shortage(), b.shortage()))
	})
	return v, len(v.Misfits) > 0 && v.Misfits[0].Reason != ReasonDraining
}

func gravest(v Verdict) int {
	if len(v.Misfits) == 0 {
		return -1
	}
	return v.Misfits[0].Reason.gravity()
}

// NoInstances is what ECS says when a cluster has no ACTIVE container instance: the message of RunTask's
// InvalidParameterException, and part of the service event.
const NoInstances = "No Container Instances were found in your cluster."

// Empty says that the cluster has no ACTIVE container instance.
func (e Explanation) Empty() bool {
	return !slices.ContainsFunc(e.Verdicts, func(v Verdict) bool { return len(v.Misfits) == 0 || v.Misfits[0].Reason != ReasonDraining })
}

// Event is the text of the service event, without the "(service NAME)" that it begins with ("Viewing Amazon ECS
// service event messages"); "" if the task fits somewhere after all.
func (e Explanation) Event() string {
	const head = " was unable to place a task because no container instance met all of its requirements. "
	const tail = " For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	if e.Empty() {
		return head + "Reason: " + NoInstances + tail
	}
	v, ok := e.Closest()
	if !ok {
		return ""
	}
	return head + "The closest matching (container-instance " + model.ShortID(v.Instance) + ") " + v.Misfits[0].complaint() + tail
}

// complaint is the end of the sentence that begins with the closest instance.
func (m Misfit) complaint() string {
	switch m.Reason {
	case ReasonCPU:
		return "has insufficient CPU units available."
	case ReasonMemory:
		return "has insufficient memory available."
	case ReasonPorts:
		return "is already using a port required by your task."
	case ReasonAttribute:
		return "is missing an attribute required by your task."
	case ReasonDriver:
		return fmt.Sprintf("encountered error %q.", m.Detail)
	default: // ECS quotes every other reason
		return fmt.Sprintf("encountered error %q.", string(m.Reason))
	}
}

// Failure is an element of the failures of RunTask and StartTask ("Failure").
type Failure struct {
	ARN    string
	Reason Reason
	Detail string
}

// Failures gives one failure for each instance that does not fit, with its gravest reason.
func (e Explanation) Failures() []Failure {
	var list []Failure
	for _, v := range e.Verdicts {
		if len(v.Misfits) > 0 {
			list = append(list, Failure{v.Instance, v.Misfits[0].Reason, v.Misfits[0].Detail})
		}
	}
	return list
}

// misfits lists all that keeps a task from an instance: none exactly if fits says that it can go there.
func (s *Search) misfits(i *instance) []Misfit {
	var list []Misfit
	add := func(r Reason, detail string) { list = append(list, Misfit{Reason: r, Detail: detail}) }
	if i.rec.Status != model.Active {
		add(ReasonDraining, "the container instance is "+string(i.rec.Status))
	}
	if !i.on.Connected {
		add(ReasonAgent, "the agent is not connected")
	}
	if s.refuses(i) {
		add(ReasonDriver, s.req.Refuse(i.on.Machine))
	}
	if name := i.lacks(s.req.Requires); name != "" {
		add(ReasonAttribute, "has no attribute "+name)
	}
	if i.elsewhere(s.req.Zones) {
		add(ReasonLocation, "is in the zone "+i.on.Zone()+", the subnets are in "+strings.Join(s.req.Zones, ", "))
	}
	for _, e := range s.exprs {
		if !e.Match(subject{i}) {
			add(ReasonMemberOf, "does not match "+e.String())
		}
	}
	if n := s.tally.at(i.at); s.apart && n > 0 {
		add(ReasonDistinct, fmt.Sprintf("has %d tasks of %s already", n, s.req.Group))
	}
	return append(list, s.shortages(i.on)...)
}

func (s *Search) shortages(m *machine) []Misfit {
	var list []Misfit
	short := func(r Reason, what string, needs, free, capacity int) {
		if needs > free && needs != 0 {
			list = append(list, Misfit{r, fmt.Sprintf("needs %d %s, %d of %d are free", needs, what, max(0, free), capacity), needs, max(0, free)})
		}
	}
	d := &s.req.Demand
	short(ReasonCPU, "CPU units", d.CPU, m.cpu, m.Capacity.CPU)
	short(ReasonMemory, "MiB of memory", d.Memory, m.memory, m.Capacity.Memory)
	short(ReasonGPU, "GPUs", d.GPUs, m.gpus, m.Capacity.GPUs)
	var taken []string
	for _, p := range s.fixed {
		if !m.ports.free([]int{p}) {
			taken = append(taken, portName(p))
		}
	}
	if len(taken) > 0 {
		list = append(list, Misfit{
			Reason: ReasonPorts, Detail: "needs ports that are taken or reserved: " + strings.Join(taken, ", "),
			Needs: len(s.fixed), Has: len(s.fixed) - len(taken),
		})
	}
	return list
}

func portName(p int) string {
	if p >= udp {
		return fmt.Sprintf("%d/udp", p-udp)
	}
	return fmt.Sprintf("%d/tcp", p)
}
