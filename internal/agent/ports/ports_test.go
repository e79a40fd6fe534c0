package ports_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/agent/ports"
	"github.com/maitred/maitred/internal/model"
)

func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func always(string, int) bool { return true }

func definition(mode string, p ...model.PortMapping) *model.TaskDefinition {
	return &model.TaskDefinition{NetworkMode: mode, Containers: []model.ContainerDefinition{{Name: "c", Ports: p}}}
}

func TestTake(t *testing.T) {
	t.Parallel()
	binding := func(container, host int, protocol string) model.PortBinding {
		return model.PortBinding{Address: "127.0.0.1", ContainerPort: container, HostPort: host, Protocol: protocol}
	}
	for _, test := range []struct {
		name string
		def  *model.TaskDefinition
		want []model.PortBinding
	}{
		{"fixed", definition("bridge", model.PortMapping{ContainerPort: 80, HostPort: 8080, Protocol: "udp"}), []model.PortBinding{binding(80, 8080, "udp")}},
		{"chosen", definition("", model.PortMapping{ContainerPort: 80, Protocol: "tcp"}), []model.PortBinding{binding(80, 5000, "tcp")}},
		{"host", definition("host", model.PortMapping{ContainerPort: 80}), []model.PortBinding{binding(80, 80, "tcp")}},
		{"none", definition("none", model.PortMapping{ContainerPort: 80}), nil},
	} {
		p := ports.New(ports.Config{First: 5000, Last: 5000, Free: always})
		got, err := p.Take("t", test.def, "127.0.0.1", now())
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got["c"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestFixedPortOfAnotherTask(t *testing.T) {
	t.Parallel()
	p := ports.New(ports.Config{First: 5000, Last: 5001, Free: always})
	def := definition("", model.PortMapping{ContainerPort: 1}, model.PortMapping{ContainerPort: 80, HostPort: 8080})
	first, err := p.Take("one", def, "", now())
	if err != nil {
		t.Fatalf("first: %v", err)
	}
	if _, err := p.Take("cluster/two", def, "", now()); err == nil || !strings.Contains(err.Error(), "8080/tcp is used by the task one") {
		t.Errorf("second: got %v, want that 8080/tcp is used by the task one", err)
	}
	p.Release(first, "one", now())
	if _, err := p.Take("three", def, "", now()); err != nil {
		t.Errorf("a fixed port does not rest, and the failed attempt took nothing: %v", err)
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	p := ports.New(ports.Config{First: 5000, Last: 5000, Rest: time.Minute, Free: always})
	def := definition("", model.PortMapping{ContainerPort: 80})
	got, err := p.Take("one", def, "", now())
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	p.Release(got, "one", now())
	if _, err := p.Take("two", def, "", now().Add(59*time.Second)); err == nil {
		t.Errorf("a port was given away while it rested")
	}
	if _, err := p.Take("two", def, "", now().Add(60*time.Second)); err != nil {
		t.Errorf("after its rest: %v", err)
	}
}

func TestPortsOfOthers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { _ = u.Close() })
	for protocol, taken := range map[string]int{
		"tcp": l.Addr().(*net.TCPAddr).Port, "udp": u.LocalAddr().(*net.UDPAddr).Port,
	} {
		p := ports.New(ports.Config{First: taken, Last: taken})
		if got, err := p.Take("t", definition("", model.PortMapping{ContainerPort: 80, Protocol: protocol}), "", now()); err == nil {
			t.Errorf("%s: got %v, which somebody listens on", protocol, got)
		}
	}
}

// TestNeverTwice takes, adopts and releases at random: no port has two holders, and none is lost.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := ports.New(ports.Config{First: 5000, Last: 5009, Rest: time.Second, Free: always})
		at, held := now(), map[string]map[string][]model.PortBinding{}
		taken := map[int]string{}
		for i := range 50 {
			if rapid.Bool().Draw(t, "take") || len(held) == 0 {
				task := fmt.Sprint("t", i)
				got, err := p.Take(task, definition("", model.PortMapping{ContainerPort: 1}, model.PortMapping{ContainerPort: 2}), "", at)
				if err != nil {
					continue
				}
				for _, b := range got["c"] {
					if holder, ok := taken[b.HostPort]; ok {
						t.Fatalf("%d is given to %s and %s", b.HostPort, holder, task)
					}
					taken[b.HostPort] = task
				}
				held[task] = got
				continue
			}
			for task, bindings := range held {
				p.Release(bindings, task, at)
				for _, b := range bindings["c"] {
					delete(taken, b.HostPort)
				}
				delete(held, task)
				break
			}
			at = at.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
		}
		for task, bindings := range held {
			p.Release(bindings, task, at)
		}
		at = at.Add(time.Second)
		for i := range 5 {
			if _, err := p.Take(fmt.Sprint("last", i), definition("", model.PortMapping{ContainerPort: 1}, model.PortMapping{ContainerPort: 2}), "", at); err != nil {
				t.Fatalf("ports were lost: %v", err)
			}
		}
	})
}

// TestRange gives a range as many host ports in a row, around those that are taken, and all of them back.
func TestRange(t *testing.T) {
	t.Parallel()
	p := ports.New(ports.Config{First: 5000, Last: 5009, Rest: time.Second, Free: func(_ string, port int) bool { return port != 5003 }})
	three := definition("bridge", model.PortMapping{ContainerPort: 80, Last: 82})
	var rows []int
	var given []map[string][]model.PortBinding
	for i := range 2 {
		got, err := p.Take(fmt.Sprint("t", i), three, "", now())
		if err != nil {
			t.Fatalf("Take: %v", err)
		}
		for n, b := range got["c"] {
			if b.ContainerPort != 80+n || b.HostPort != got["c"][0].HostPort+n || b.HostPort == 5003 || b.HostPort > 5009 {
				t.Errorf("port %d of %+v is not in the row", n, got["c"])
			}
			rows = append(rows, b.HostPort)
		}
		given = append(given, got)
	}
	slices.Sort(rows)
	if len(slices.Compact(rows)) != 6 {
		t.Errorf("got %v for two ranges of three, want six ports", rows)
	}
	_, err := p.Take("t2", definition("", model.PortMapping{ContainerPort: 80, Last: 87}), "", now())
	if err == nil || !strings.Contains(err.Error(), "no 8 free host ports in a row") {
		t.Errorf("got %v, want that there are none in a row", err)
	}
	_, err = p.Take("t2", definition("", model.PortMapping{ContainerPort: 80, Last: 180}), "", now())
	if err == nil || !strings.Contains(err.Error(), "no 101 host ports") {
		t.Errorf("got %v, want that there are never so many", err)
	}
	for i, bindings := range given {
		p.Release(bindings, fmt.Sprint("t", i), now())
	}
	if _, err := p.Take("t3", definition("", model.PortMapping{ContainerPort: 1, Last: 6}), "", now().Add(time.Second)); err != nil {
		t.Errorf("after the end of all: %v", err)
	}
}

// TestRow finds a row whenever there is one.
func TestRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const first, size = 5000, 12
		free := rapid.SliceOfN(rapid.Bool(), size, size).Draw(t, "free")
		row := rapid.IntRange(1, 5).Draw(t, "row")
		p := ports.New(ports.Config{First: first, Last: first + size - 1, Free: func(_ string, port int) bool { return free[port-first] }})
		want, run := false, 0
		for _, f := range free {
			if run++; !f {
				run = 0
			}
			want = want || run >= row
		}
		mapping := model.PortMapping{ContainerPort: rapid.IntRange(1, 1000).Draw(t, "port")}
		if row > 1 {
			mapping.Last = mapping.ContainerPort + row - 1
		}
		got, err := p.Take("t", definition("", mapping), "", now())
		if (err == nil) != want {
			t.Fatalf("%d in a row of %v: got %v, %v, want one: %v", row, free, got, err, want)
		}
		for _, b := range got["c"] {
			if !free[b.HostPort-first] {
				t.Fatalf("%d is not free", b.HostPort)
			}
		}
	})
}
