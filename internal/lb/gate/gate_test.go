package gate_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/gate"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const region = "eu-west-1"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a gate before a store.
type world struct {
	*gate.Gate
	t     *testing.T
	store *store.Store
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	backend := mem.New(mem.Options{})
	t.Cleanup(func() { _ = backend.Close() })
	st, err := store.Open(context.Background(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	w := &world{t: t, store: st, now: noon}
	w.Gate = gate.New(st.View, func() time.Time { return w.now })
	return w
}

func (w *world) put(records ...model.Record) {
	w.t.Helper()
	if _, err := w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

func group(id string, rules ...model.SecurityGroupRule) *model.SecurityGroup {
	return &model.SecurityGroup{ID: id, Region: region, Rules: rules}
}

func in(protocol string, from, to int, cidr string) model.SecurityGroupRule {
	return model.SecurityGroupRule{Protocol: protocol, From: from, To: to, CIDR: cidr}
}

// TestAdmit asks for clients of all kinds.
func TestAdmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(
		group("sg-web", in("tcp", 80, 443, "203.0.113.0/24"), in("tcp", 22, 22, "198.51.100.7")),
		group("sg-all", in("-1", -1, -1, "10.0.0.0/8")),
		group("sg-udp", in("udp", 53, 53, "0.0.0.0/0")),
		group("sg-six", in("tcp", 80, 80, "2001:db8::/32")),
		group("sg-out", model.SecurityGroupRule{Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"}),
	)
	const own = "192.0.2.10"
	for _, tt := range []struct {
		name     string
		groups   []string
		protocol string
		client   string
		port     uint16
		want     bool
	}{
		{"no groups", nil, "tcp", "203.0.113.5", 80, true},
		{"in the block", []string{"sg-web"}, "tcp", "203.0.113.5", 80, true},
		{"the last port", []string{"sg-web"}, "tcp", "203.0.113.5", 443, true},
		{"a port beyond", []string{"sg-web"}, "tcp", "203.0.113.5", 444, false},
		{"outside the block", []string{"sg-web"}, "tcp", "203.0.114.5", 80, false},
		{"the port of another rule", []string{"sg-web"}, "tcp", "198.51.100.7", 80, false},
		{"another protocol", []string{"sg-web"}, "udp", "203.0.113.5", 80, false},
		{"the second group", []string{"sg-web", "sg-all"}, "tcp", "10.9.9.9", 8080, true},
		{"all protocols", []string{"sg-all"}, "udp", "10.9.9.9", 53, true},
		{"everybody by UDP", []string{"sg-udp"}, "udp", "8.8.8.8", 53, true},
		{"everybody by UDP, who comes by TCP", []string{"sg-udp"}, "tcp", "8.8.8.8", 53, false},
		{"what goes out", []string{"sg-out"}, "tcp", "203.0.113.5", 80, false},
		{"a group that is gone", []string{"sg-none"}, "tcp", "203.0.113.5", 80, false},
		{"an address of IPv6", []string{"sg-six"}, "tcp", "2001:db8::7", 80, true},
		{"an address of IPv4 in one of IPv6", []string{"sg-web"}, "tcp", "::ffff:203.0.113.5", 80, true},
		{"the machine itself", []string{"sg-none"}, "tcp", own, 80, true},
		{"loopback", []string{"sg-none"}, "tcp", "127.0.0.1", 80, true},
		{"no address", []string{"sg-none"}, "tcp", "", 80, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lb := &model.LoadBalancer{ARN: "lb/" + tt.name, Region: region, SecurityGroups: tt.groups}
			client, _ := netip.ParseAddr(tt.client)
			for range 2 { // once it is made, once it is known
				if got := w.Admit(lb, tt.protocol, client, netip.AddrPortFrom(netip.MustParseAddr(own), tt.port)); got != tt.want {
					t.Errorf("got %t, want %t", got, tt.want)
				}
			}
		})
	}
}

// TestChanges has the next connection judged by the groups as they are then.
func TestChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, to := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddrPort("192.0.2.10:80")
	lb := &model.LoadBalancer{ARN: "lb", Region: region, SecurityGroups: []string{"sg-a"}}
	check := func(when string, lb *model.LoadBalancer, client netip.Addr, want bool) {
		t.Helper()
		if got := w.Admit(lb, "tcp", client, to); got != want {
			t.Errorf("%s: got %t, want %t", when, got, want)
		}
	}
	check("before there is a group", lb, client, false)
	w.put(group("sg-a", in("tcp", 80, 80, "203.0.113.0/24")))
	check("when there is one", lb, client, true)
	w.put(group("sg-a"))
	check("when its rule is gone", lb, client, false)
	w.put(group("sg-b", in("tcp", 80, 80, "0.0.0.0/0")))
	other := *lb
	other.SecurityGroups = []string{"sg-b"}
	check("with another group", &other, client, true)

	// Tasks that have a group.
	named := *lb
	named.SecurityGroups = []string{"sg-c"}
	w.put(group("sg-c", model.SecurityGroupRule{Protocol: "tcp", From: 80, To: 80, Group: "sg-tasks"}))
	task := netip.MustParseAddr("172.31.0.9")
	check("a task that is not there", &named, task, false)
	w.put(
		&model.Task{ARN: "arn:task/1", Cluster: "c", Machine: "m", Desired: model.TaskRunning, Network: &model.NetworkConfiguration{SecurityGroups: []string{"sg-tasks"}}},
		&model.Observed{Task: "arn:task/1", Machine: "m", Status: model.TaskRunning, Attachment: &model.Attachment{Address: task.String()}},
	)
	w.now = w.now.Add(time.Second)
	check("a task that has come", &named, task, true)
	w.put(&model.Observed{Task: "arn:task/1", Machine: "m", Status: model.TaskStopped, Attachment: &model.Attachment{Address: task.String()}})
	w.now = w.now.Add(time.Second)
	check("a task that has gone", &named, task, false)
	w.Forget(func(string) bool { return false })
	check("after it was forgotten", &other, client, true)
}
