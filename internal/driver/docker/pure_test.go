package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// TestFailure: a reason says what the daemon said, not that the daemon said it, and is still of its kind.
func TestFailure(t *testing.T) {
	t.Parallel()
	said := errdefs.ErrNotFound.WithMessage("Error response from daemon: no such network")
	err := failure(cannotStart, fmt.Errorf("connect: %w", said))
	if got, want := err.Error(), "CannotStartContainerError: connect: no such network"; got != want {
		t.Errorf("failure = %q, want %q", got, want)
	}
	if !errdefs.IsNotFound(err) {
		t.Errorf("failure = %v, want it to be what it was", err)
	}
}

// volumeNamed is a task with a volume of a name.
func volumeNamed(name string, shared bool) model.TaskDefinition {
	def := one("nginx")
	def.Volumes = []model.Volume{{Name: name, Docker: &model.DockerVolume{Shared: shared}}}
	return def
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		def  model.TaskDefinition
		want []string // words of the answer; none: nothing is refused
	}{
		{"no network mode", model.TaskDefinition{}, nil},
		{"bridge", model.TaskDefinition{NetworkMode: "bridge"}, nil},
		{"host", model.TaskDefinition{NetworkMode: "host"}, nil},
		{"none", model.TaskDefinition{NetworkMode: "none"}, nil},
		{"awsvpc", model.TaskDefinition{NetworkMode: "awsvpc"}, nil},
		{"another network mode", model.TaskDefinition{NetworkMode: "nat"}, []string{"networkMode nat", "bridge, host"}},
		{"a registry's image", one("public.ecr.aws/nginx/nginx:1.27"), nil},
		{"an image's digest", one("nginx@sha256:" + strings.Repeat("a", 64)), nil},
		{"an image's id", one("sha256:" + strings.Repeat("a", 64)), nil},
		{"what the process driver runs", one("process"), []string{`"process"`, "--driver process"}},
		{"the path of a program", one("/bin/true"), []string{`"/bin/true"`, "--driver process"}},
		{"no image", one(""), []string{"container c", "image"}},
		{"an image in capitals", one("NGINX"), []string{`"NGINX"`, "lowercase"}},
		{
			"unmet members",
			task("", model.ContainerDefinition{Name: "c", Image: "i", Unmet: []string{"secrets", "links"}}),
			[]string{"container c", "secrets, links"},
		},
		{"a GPU", task("", model.ContainerDefinition{Name: "c", Image: "i", GPUs: 1}), []string{"resourceRequirements"}},
		{"a volume of one letter", volumeNamed("v", false), nil},
		{"a shared volume of two letters", volumeNamed("v1", true), nil},
		{"a shared volume of one letter", volumeNamed("v", true), []string{"volumes[0].name", `"v"`, "two characters"}},
		{"a shared volume that begins with a dash", volumeNamed("-data", true), []string{`"-data"`, "begin with"}},
		{
			"ports without a network",
			task("none", model.ContainerDefinition{Name: "c", Image: "i", Ports: []model.PortMapping{{ContainerPort: 80}}}),
			[]string{"portMappings", "none"},
		},
	} {
		got := Refuse(&c.def)
		if len(c.want) == 0 && got != "" {
			t.Errorf("%s: Refuse = %q, want nothing refused", c.name, got)
		}
		for _, word := range c.want {
			if !strings.Contains(got, word) {
				t.Errorf("%s: Refuse = %q, want %q in it", c.name, got, word)
			}
		}
	}
}

func one(image string) model.TaskDefinition {
	return task("", model.ContainerDefinition{Name: "c", Image: image})
}

func task(networkMode string, c model.ContainerDefinition) model.TaskDefinition {
	return model.TaskDefinition{NetworkMode: networkMode, Containers: []model.ContainerDefinition{c}}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for units, want := range map[int]int64{0: 2, 1: 2, 2: 2, 512: 512, 262144: 262144, 300000: 262144} {
		if got := shares(units); got != want {
			t.Errorf("shares(%d) = %d, want %d", units, got, want)
		}
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	for _, c := range []struct {
		name string
		spec driver.Spec
		want container.Resources
	}{
		{"nothing", driver.Spec{}, container.Resources{CPUShares: 2}},
		{
			"the container's limit below the task's", limited(64, 100),
			container.Resources{CPUShares: 2, Memory: 64 * mebibyte},
		},
		{
			"the task's limit below the container's", limited(100, 64),
			container.Resources{CPUShares: 2, Memory: 64 * mebibyte},
		},
		{"the task's alone", limited(0, 64), container.Resources{CPUShares: 2, Memory: 64 * mebibyte}},
		{"the container's alone", limited(64, 0), container.Resources{CPUShares: 2, Memory: 64 * mebibyte}},
		{
			"two cores of a task",
			driver.Spec{Sandbox: driver.Sandbox{CPU: 2048}},
			container.Resources{CPUShares: 2, CPUPeriod: 100_000, CPUQuota: 200_000},
		},
		{
			"the least quota that Docker takes",
			driver.Spec{Sandbox: driver.Sandbox{CPU: 1}},
			container.Resources{CPUShares: 2, CPUPeriod: 100_000, CPUQuota: 1000},
		},
	} {
		c.want.PidsLimit = new(int64(4096))
		if diff := cmp.Diff(c.want, resources(c.spec, sandbox{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	want := container.Resources{CPUShares: 2, CgroupParent: "/maitred-0/t", PidsLimit: new(int64(4096))}
	under := driver.Spec{Sandbox: driver.Sandbox{CPU: 2048}}
	if diff := cmp.Diff(want, resources(under, sandbox{parent: "/maitred-0/t"})); diff != "" {
		t.Errorf("two cores of a task that has a roof (-want +got):\n%s", diff)
	}
}

func limited(own, task int) driver.Spec {
	return driver.Spec{Definition: model.ContainerDefinition{Memory: own}, Sandbox: driver.Sandbox{Memory: task}}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	good := model.PortBinding{Address: "127.0.0.1", ContainerPort: 53, HostPort: 4053, Protocol: "udp"}
	exposed, published, err := ports(driver.Spec{Bindings: []model.PortBinding{good}})
	port := network.MustParsePort("53/udp")
	want := network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: "4053"}}}
	if _, ok := exposed[port]; !ok || err != nil || len(exposed) != 1 {
		t.Errorf("exposed are %v, %v, want %v", exposed, err, port)
	}
	if got := published[port]; len(published) != 1 || !slices.Equal(got, want[port]) {
		t.Errorf("published are %v, want %v", published, want)
	}
	if _, published, err := ports(driver.Spec{Sandbox: driver.Sandbox{NetworkMode: "host"}, Bindings: []model.PortBinding{good}}); published != nil || err != nil {
		t.Errorf("in the machine's network, published are %v, %v, want none", published, err)
	}
	for _, bad := range []model.PortBinding{
		{ContainerPort: 80, HostPort: 4080, Protocol: "tcp"},
		{Address: "127.0.0.1", ContainerPort: 80, Protocol: "tcp"},
	} {
		if _, _, err := ports(driver.Spec{Bindings: []model.PortBinding{bad}}); err == nil {
			t.Errorf("ports(%+v) = nil, want an error: the daemon would choose", bad)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	d := &Driver{prefix: "maitred-01234567-"}
	if got, want := d.name("0af3-web_1.x-0"), "maitred-01234567-0af3-web_1.x-0"; got != want {
		t.Errorf("name = %q, want %q", got, want)
	}
	if a, b := d.name("a/b"), d.name("a:b"); a == b || strings.ContainsAny(a+b, "/:") {
		t.Errorf("names of a/b and a:b are %q and %q, want two that Docker takes", a, b)
	}
}

func TestDigestOf(t *testing.T) {
	t.Parallel()
	digests := []string{"docker.io/library/other@sha256:aa", "nginx@sha256:bb", "quay.io/x/nginx@sha256:cc"}
	for name, want := range map[string]string{
		"nginx:1.27": "sha256:bb", "docker.io/library/nginx": "sha256:bb", "quay.io/x/nginx:1": "sha256:cc", "mine": "",
		strings.Repeat("a", 64): "",
	} {
		if got := digestOf(name, digests); got != want {
			t.Errorf("digestOf(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	const began, ended, never = "2026-01-02T03:04:05.6Z", "2026-01-02T04:00:00Z", "0001-01-01T00:00:00Z"
	start, end := moment(began), moment(ended)
	for _, c := range []struct {
		name  string
		state container.State
		want  driver.Status
	}{
		{
			"created",
			container.State{Status: "created", StartedAt: never, FinishedAt: never},
			driver.Status{State: driver.Starting},
		},
		{
			"could not be started",
			container.State{Status: "created", StartedAt: never, FinishedAt: never, ExitCode: 127, Error: "no such file"},
			driver.Status{State: driver.Exited, Reason: "CannotStartContainerError: no such file"},
		},
		{
			"running",
			container.State{Status: "running", StartedAt: began, FinishedAt: never},
			driver.Status{State: driver.Running, StartedAt: start},
		},
		{
			"running for the second time",
			container.State{Status: "paused", StartedAt: began, FinishedAt: ended},
			driver.Status{State: driver.Running, StartedAt: start},
		},
		{
			"exited",
			container.State{Status: "exited", StartedAt: began, FinishedAt: ended, ExitCode: 3},
			driver.Status{State: driver.Exited, StartedAt: start, ExitedAt: end, ExitCode: new(3)},
		},
		{
			"out of memory",
			container.State{Status: "exited", StartedAt: began, FinishedAt: ended, ExitCode: 137, OOMKilled: true},
			driver.Status{State: driver.Exited, StartedAt: start, ExitedAt: end, ExitCode: new(137), Reason: reasonMemory},
		},
		{
			"a child out of memory",
			container.State{Status: "exited", StartedAt: began, FinishedAt: ended, OOMKilled: true},
			driver.Status{State: driver.Exited, StartedAt: start, ExitedAt: end, ExitCode: new(0)},
		},
		{
			"removed while it runs",
			container.State{Status: "removing", Running: true, StartedAt: began, FinishedAt: never},
			driver.Status{State: driver.Running, StartedAt: start},
		},
		{
			"removed before it ran",
			container.State{Status: "removing", StartedAt: never, FinishedAt: never},
			driver.Status{State: driver.Exited},
		},
	} {
		c.want.ID, c.want.RuntimeID, c.want.Image = "id", "docker id", "sha256:aa"
		labels := map[string]string{labelID: "id", labelDigest: "sha256:aa"}
		got := statusOf(&container.InspectResponse{ID: "docker id", State: &c.state, Config: &container.Config{Labels: labels}})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestWatchJudges goes through the orders in which events can be read that a daemon seldom brings about.
func TestWatchJudges(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1000, 0)
	event := func(action events.Action, at time.Duration, code string) events.Message {
		return events.Message{
			Type: events.ContainerEventType, Action: action, TimeNano: begin.Add(at).UnixNano(),
			Actor: events.Actor{ID: "docker id", Attributes: map[string]string{labelID: "a", "exitCode": code}},
		}
	}
	running := driver.Status{ID: "a", State: driver.Running, RuntimeID: "docker id", StartedAt: begin}
	ended := &container.InspectResponse{
		ID: "docker id", Config: &container.Config{Labels: map[string]string{labelID: "a"}},
		State: &container.State{Status: "exited", StartedAt: "2026-01-02T03:04:05Z", FinishedAt: "2026-01-02T03:04:06Z", ExitCode: 137},
	}
	for _, c := range []struct {
		name   string
		told   *driver.Status
		forget bool // we are removing it
		events []events.Message
		now    *container.InspectResponse // for events that do not say it all
		want   []string
	}{
		{"created", nil, false, []events.Message{event("create", 1, "")}, nil, []string{"starting "}},
		{"created before the watch", nil, false, []events.Message{event("create", -1, "")}, nil, nil},
		{"came and went", nil, false, []events.Message{event("create", 1, ""), event("destroy", 2, "")}, nil, nil},
		{"ended long ago, and removed", nil, false, []events.Message{event("die", -2, "0"), event("destroy", -1, "")}, nil, nil},
		{"gone without an end", &running, false, []events.Message{event("destroy", 1, "")}, nil, []string{"exited " + reasonVanished}},
		{"removed by us", &running, true, []events.Message{event("destroy", 1, "")}, nil, nil},
		{"ended", &running, false, []events.Message{event("die", 1, "3")}, nil, []string{"exited 3 "}},
		{"ended, without a code", &running, false, []events.Message{event("die", 1, "")}, ended, []string{"exited 137 "}},
		{"started and ended", nil, false, []events.Message{event("start", 1, ""), event("die", 2, "137")}, ended, []string{"running ", "exited 137 "}},
		{
			"ended and was removed", &running, false,
			[]events.Message{event("die", 1, "3"), event("destroy", 2, "")},
			nil,
			[]string{"exited 3 "},
		},
		{
			"killed and removed", &running, false,
			[]events.Message{event("die", 1, "137"), event("destroy", 2, "")},
			nil,
			[]string{"exited 137 ", "exited 137 " + reasonVanished},
		},
		{
			"killed, and removed by us", &running, true,
			[]events.Message{event("die", 1, "137"), event("destroy", 2, "")},
			nil,
			[]string{"exited 137 "},
		},
		{
			"killed for its memory", &running, false,
			[]events.Message{event("oom", 1, ""), event("die", 2, "137")},
			nil,
			[]string{"exited 137 " + reasonMemory},
		},
		{
			"lost a child for its memory, and ended well", &running, false,
			[]events.Message{event("oom", 1, ""), event("die", 2, "0")},
			nil,
			[]string{"exited 0 "},
		},
		{"another kind of event", &running, false, []events.Message{{Type: "image", Action: "die"}}, nil, nil},
	} {
		for _, together := range []bool{true, false} {
			got := judged(c.told, c.forget, c.events, c.now, begin, together)
			want := c.want
			if !together && c.name == "came and went" {
				want = []string{"starting ", "exited " + reasonVanished}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, events read together: %t: the watch says (-want +got):\n%s", c.name, together, diff)
			}
		}
	}
	late := []events.Message{event("die", 1, "137"), event("oom", 2, "")}
	want := []string{"exited 137 ", "exited 137 " + reasonMemory}
	if diff := cmp.Diff(want, judged(&running, false, late, nil, begin, false)); diff != "" {
		t.Errorf("killed for its memory, told late: the watch says (-want +got):\n%s", diff)
	}
}

// judged is what a watch says of events, read one by one or together.
func judged(
	told *driver.Status, forget bool, all []events.Message, now *container.InspectResponse, begin time.Time, together bool,
) []string {
	var got []string
	d := &Driver{alive: map[string]driver.Status{}, watches: map[*watch]struct{}{}}
	w := d.newWatch(func(s driver.Status) {
		code := ""
		if s.ExitCode != nil {
			code = strconv.Itoa(*s.ExitCode) + " "
		}
		got = append(got, string(s.State)+" "+code+s.Reason)
	})
	w.begin = begin
	if told != nil {
		w.tell(*told)
		got = nil
	}
	if forget {
		d.forget("a")
	}
	box := &inbox{news: map[string]*news{}, wake: make(chan struct{}, 1)}
	for i, m := range all {
		box.put(m)
		if together && i < len(all)-1 {
			continue
		}
		batch, _ := box.take()
		for _, n := range batch {
			if w.heard(n) {
				w.settle(n)
			} else {
				w.judge(n, now)
			}
		}
	}
	return got
}

func TestParseCgroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       cgroup
	}{
		{
			"version 2, systemd", "0::/system.slice/docker-abc.scope\n",
			cgroup{
				cpu: "/sys/fs/cgroup/system.slice/docker-abc.scope", memory: "/sys/fs/cgroup/system.slice/docker-abc.scope", v2: true,
			},
		},
		{
			"version 1", "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n7:blkio:/docker/abc\n0::/\n",
			cgroup{
				cpu: "/sys/fs/cgroup/cpuacct/docker/abc", memory: "/sys/fs/cgroup/memory/docker/abc", disk: "/sys/fs/cgroup/blkio/docker/abc",
			},
		},
		{
			"both", "9:memory:/docker/abc\n4:cpuacct:/docker/abc\n0::/docker/abc\n",
			cgroup{cpu: "/sys/fs/cgroup/cpuacct/docker/abc", memory: "/sys/fs/cgroup/memory/docker/abc"},
		},
	} {
		if got := parseCgroup(c.text, "abc"); got != c.want {
			t.Errorf("%s: parseCgroup = %+v, want %+v", c.name, got, c.want)
		}
		if got := parseCgroup(c.text, "def"); got.missing == nil {
			t.Errorf("%s: parseCgroup of another container = %+v, want none", c.name, got)
		}
	}
}

func TestCgroupUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cpu.stat": "usage_usec 1500\nuser_usec 1000\n", "memory.current": "5000\n", "memory.stat": "anon 1\ninactive_file 2000\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := cgroup{cpu: dir, memory: dir, v2: true}.usage()
	if want := (driver.Usage{CPU: 1500 * time.Microsecond, Memory: 3000}); got != want || err != nil {
		t.Errorf("usage = %+v, %v, want %+v", got, err, want)
	}
	for name, text := range map[string]string{
		"io.stat":       "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n",
		"cpuacct.usage": "7\n", "memory.usage_in_bytes": "9\n", "blkio.throttle.io_service_bytes_recursive": "8:0 Read 30\n8:0 Write 40\nTotal 70\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := (cgroup{cpu: dir, memory: dir, v2: true}).usage(); err != nil || got.Disk == nil || *got.Disk != (driver.Disk{Read: 10, Written: 20}) {
		t.Errorf("usage = %+v, %v, want 10 bytes read and 20 written", got.Disk, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "memory.stat"), []byte("total_inactive_file 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (cgroup{cpu: dir, memory: dir, disk: dir}).usage(); err != nil || got.Disk == nil || *got.Disk != (driver.Disk{Read: 30, Written: 40}) {
		t.Errorf("usage of version 1 = %+v, %v, want 30 bytes read and 40 written", got.Disk, err)
	}
	if _, err := (cgroup{cpu: dir, memory: filepath.Join(dir, "gone"), v2: true}).usage(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("usage of what is gone = %v, want os.ErrNotExist", err)
	}
}

// frame is a frame of a stream.
func frame(stream byte, text string) []byte {
	header := make([]byte, frameHeader)
	header[0] = stream
	binary.BigEndian.PutUint32(header[4:], uint32(len(text)))
	return append(header, text...)
}

func TestDemux(t *testing.T) {
	t.Parallel()
	whole := slices.Concat(frame(1, "one\n"), frame(2, ""), frame(2, "two\n"), frame(1, "three\n"))
	for name, from := range map[string]io.Reader{
		"at once": bytes.NewReader(whole), "byte by byte": iotest.OneByteReader(bytes.NewReader(whole)),
		"with its end": iotest.DataErrReader(bytes.NewReader(whole)),
	} {
		got, err := io.ReadAll(&demux{from: from})
		if string(got) != "one\ntwo\nthree\n" || err != nil {
			t.Errorf("%s: got %q, %v, want all three lines", name, got, err)
		}
	}
	for name, from := range map[string][]byte{
		"cut in a frame": whole[:len(whole)-1], "cut in a header": append(slices.Clone(whole), 1, 0), "no frame": []byte("HTTP/1.1"),
	} {
		if _, err := io.ReadAll(&demux{from: bytes.NewReader(from)}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	_, err := io.ReadAll(&demux{from: bytes.NewReader(frame(3, "the log is broken"))})
	if err == nil || !strings.Contains(err.Error(), "the log is broken") {
		t.Errorf("what the daemon says of itself = %v, want its words", err)
	}
}

func FuzzDemux(f *testing.F) {
	f.Add(slices.Concat(frame(1, "one"), frame(2, "two")), 3)
	f.Add(frame(3, "error"), 1)
	f.Add([]byte{1, 0, 0, 0, 255, 255, 255, 255, 'x'}, 10)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		x := &demux{from: bytes.NewReader(data)}
		buf := make([]byte, min(max(size, 1), 1000))
		total := 0
		for {
			n, err := x.Read(buf)
			if total += n; total > len(data) {
				t.Fatalf("read %d bytes of %d", total, len(data))
			}
			if err != nil {
				return
			}
		}
	})
}

func FuzzCgroup(f *testing.F) {
	f.Add("9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n", "abc")
	f.Add("0::/docker/abc", "abc")
	f.Fuzz(func(t *testing.T, text, id string) {
		g := parseCgroup(text, id)
		if (g.missing == nil) != (g.cpu != "" && g.memory != "") {
			t.Errorf("parseCgroup = %+v, want directories or the reason that there are none", g)
		}
		if _, err := number(text, id); err == nil && id != "" && !strings.Contains(text, id) {
			t.Errorf("a number was found for %q in %q", id, text)
		}
	})
}

func TestAnswersNobody(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "none.sock"))
	if version, err := Answers(t.Context()); err == nil {
		t.Errorf("Answers = %q, want an error: there is no daemon", version)
	}
	if err := ImportStatic(t.Context(), "x", "y"); err == nil {
		t.Error("ImportStatic = nil, want an error: there is no daemon")
	}
}

// TestAnswersSilence is about a daemon that takes the connection and says nothing.
func TestAnswersSilence(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("DOCKER_HOST", "tcp://"+l.Addr().String())
	if version, err := Answers(t.Context()); err == nil {
		t.Errorf("Answers = %q, want an error: the daemon does not answer", version)
	}
}

func TestAnswers(t *testing.T) {
	t.Setenv("DOCKER_HOST", testneeds.Docker(t))
	if version, err := Answers(t.Context()); version == "" || err != nil {
		t.Errorf("Answers = %q, %v, want a version", version, err)
	}
}

func TestScopeIsNeeded(t *testing.T) {
	t.Parallel()
	if _, err := New(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "scope") {
		t.Errorf("New without a scope = %v, want an error that says so", err)
	}
}

func TestCheckStatic(t *testing.T) {
	t.Parallel()
	if _, err := checkStatic(testneeds.Command(t, "sh")); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("checkStatic of a dynamic program = %v, want an error that says what to do", err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := checkStatic(script); err == nil || !strings.Contains(err.Error(), "not a Linux program") {
		t.Errorf("checkStatic of a script = %v, want an error that says what it is not", err)
	}
}

// TestOwnLabels: a definition cannot make a container pass for something else of ours.
func TestOwnLabels(t *testing.T) {
	t.Parallel()
	d := &Driver{scope: "s"}
	got := d.labels(driver.Spec{ID: "a", Task: "arn", Definition: model.ContainerDefinition{Name: "web", Labels: map[string]string{
		"team": "blue", labelSandbox: "pause", labelGateway: "10.0.0.1", labelScope: "x", labelID: "b",
	}}}, "sha256:d")
	want := map[string]string{
		"team": "blue", labelScope: "s", labelID: "a", labelTask: "arn", labelTaskID: "", labelContainer: "web", labelDigest: "sha256:d",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// TestHiding: what only a running container sees, its volumes and what is mounted in there aside.
func TestHiding(t *testing.T) {
	t.Parallel()
	c := container.InspectResponse{
		HostConfig: &container.HostConfig{Tmpfs: map[string]string{"/run": ""}},
		Mounts: []container.MountPoint{
			{Type: mount.TypeVolume, Destination: "/data"},
			{Type: mount.TypeBind, Destination: "/run/kept"},
			{Type: mount.TypeTmpfs, Destination: "/data/cache/"},
		},
	}
	for name, want := range map[string]string{
		"/": "", "/etc": "", "/proc": "/proc", "/proc/1": "/proc", "/process": "", "/dev/shm": "/dev", "/run/x": "/run", "/run/kept/x": "",
		"/data": "", "/data/x": "", "/data/cache/x/y": "/data/cache",
	} {
		if got := hiding(c, name); got != want {
			t.Errorf("hiding(%s) = %q, want %q", name, got, want)
		}
	}
	if got := hiding(container.InspectResponse{}, "/sys/x"); got != "/sys" {
		t.Errorf("hiding(/sys/x) of nothing = %q", got)
	}
}
