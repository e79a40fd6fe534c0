package reading

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// document is a frame as JSON. Numbers called name are places in Names.
type document struct {
	Seq       uint64     `json:"q"`
	Second    int64      `json:"s"`
	Names     []string   `json:"names,omitempty"`
	Tasks     []task     `json:"tasks,omitempty"`
	Routes    []route    `json:"routes,omitempty"`
	Flows     []flow     `json:"flows,omitempty"`
	Listeners []listener `json:"listeners,omitempty"`
	Groups    []group    `json:"groups,omitempty"`
}

type (
	name int
	task struct {
		Name   name    `json:"a"`
		Cores  float64 `json:"c"`
		CPU    float64 `json:"t"`
		Memory int64   `json:"m"`

		Network *Network `json:"n,omitempty"`
		Disk    *Disk    `json:"d,omitempty"`
	}
	route struct {
		Way [4]name `json:"w"` // listener, rule, group, target
		Requests
	}
	flow struct {
		Way [3]name `json:"w"` // listener, group, target
		Flows
	}
	listener struct {
		Name     name  `json:"a"`
		Active   int64 `json:"c,omitempty"`
		New      int64 `json:"n,omitempty"`
		TLSFails int64 `json:"f,omitempty"`
	}
	group struct {
		Name       name  `json:"a"`
		Healthy    int   `json:"h,omitempty"`
		Unhealthy  int   `json:"u,omitempty"`
		Registered int   `json:"r,omitempty"`
		Eligible   int   `json:"e,omitempty"`
		InFlight   int64 `json:"f,omitempty"`
		FailOpen   bool  `json:"o,omitempty"`
		Judged     bool  `json:"j,omitempty"`
		Anomalous  int   `json:"an,omitempty"`
		Mitigated  int   `json:"mi,omitempty"`
	}
)

// naming gives each text a number.
type naming struct {
	texts []string
	known map[string]name
}

func (n *naming) of(text string) name {
	if x, ok := n.known[text]; ok {
		return x
	}
	x := name(len(n.texts))
	n.texts = append(n.texts, text)
	n.known[text] = x
	return x
}

// Encode makes a frame a line of JSON, with its end.
func Encode(f *Frame) ([]byte, error) {
	names := &naming{known: map[string]name{}}
	d := document{Seq: f.Seq, Second: f.Second}
	for _, t := range f.Tasks {
		d.Tasks = append(d.Tasks, task{names.of(t.ARN), t.Cores, t.CPU, t.Memory, t.Network, t.Disk})
	}
	for i := range f.Routes {
		r := &f.Routes[i]
		way := [4]name{names.of(r.Listener), names.of(r.Rule), names.of(r.Group), names.of(r.Target)}
		d.Routes = append(d.Routes, route{way, r.Requests})
	}
	for i := range f.Flows {
		r := &f.Flows[i]
		d.Flows = append(d.Flows, flow{[3]name{names.of(r.Listener), names.of(r.Group), names.of(r.Target)}, r.Flows})
	}
	for _, l := range f.Listeners {
		d.Listeners = append(d.Listeners, listener{names.of(l.ARN), l.Active, l.New, l.TLSFails})
	}
	for _, g := range f.Groups {
		d.Groups = append(d.Groups, group{
			names.of(g.ARN), g.Healthy, g.Unhealthy, g.Registered, g.Eligible, g.InFlight, g.FailOpen, g.Judged, g.Anomalous, g.Mitigated,
		})
	}
	d.Names = names.texts
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode a reading: %w", err)
	}
	return append(text, '\n'), nil
}

// Decode reads a frame that Encode made, and refuses what could not be one.
func Decode(text []byte) (f Frame, err error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return f, fmt.Errorf("decode a reading: %w", err)
	}
	r := reader{names: d.Names}
	f = Frame{Seq: d.Seq, Second: d.Second}
	for _, t := range d.Tasks {
		f.Tasks = append(f.Tasks, Task{r.text(t.Name), t.Cores, t.CPU, t.Memory, t.Network, t.Disk})
	}
	for i := range d.Routes {
		w := d.Routes[i].Way
		r.ordered(d.Routes[i].Latency.Buckets)
		f.Routes = append(f.Routes, Route{r.text(w[0]), r.text(w[1]), r.text(w[2]), r.text(w[3]), d.Routes[i].Requests})
	}
	for i := range d.Flows {
		w := d.Flows[i].Way
		f.Flows = append(f.Flows, Flow{r.text(w[0]), r.text(w[1]), r.text(w[2]), d.Flows[i].Flows})
	}
	for _, l := range d.Listeners {
		f.Listeners = append(f.Listeners, Listener{r.text(l.Name), l.Active, l.New, l.TLSFails})
	}
	for _, g := range d.Groups {
		f.Groups = append(f.Groups, Group{
			r.text(g.Name), g.Healthy, g.Unhealthy, g.Registered, g.Eligible, g.InFlight, g.FailOpen, g.Judged, g.Anomalous, g.Mitigated,
		})
	}
	return f, r.err
}

// reader finds names.
type reader struct {
	names []string
	err   error
}

func (r *reader) text(n name) string {
	if n < 0 || int(n) >= len(r.names) {
		r.err = errors.New("a reading refers to a name that it does not have")
		return ""
	}
	return r.names[n]
}

func (r *reader) ordered(buckets []InRange) {
	if !slices.IsSortedFunc(buckets, func(a, b InRange) int { return a.Bucket - b.Bucket }) {
		r.err = errors.New("a reading has buckets out of order")
	}
}

// MarshalJSON implements json.Marshaler: [bucket,count].
func (b InRange) MarshalJSON() ([]byte, error) {
	return json.Marshal([2]int64{int64(b.Bucket), b.Count})
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *InRange) UnmarshalJSON(text []byte) error {
	var pair [2]int64
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if pair[0] < 0 || pair[0] >= Buckets || pair[1] < 0 {
		return fmt.Errorf("%v is no bucket with a count", pair)
	}
	b.Bucket, b.Count = int(pair[0]), pair[1]
	return nil
}
