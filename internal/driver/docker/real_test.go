package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// realTests are what the suite does not know of: what is Docker's own.
func realTests() map[string]func(*world) {
	return map[string]func(*world){
		"a published port is reached at its address": publishedPort,
		"a port that is taken":                       portTaken,
		"no network":                                 noNetwork,
		"the definition's members":                   definitionMembers,
		"too much memory":                            tooMuchMemory,
		"a task's memory bounds its containers":      taskMemory,
		"removed behind our back":                    removedBehindOurBack,
		"removed while nobody watched":               removedUnwatched,
		"created and not started is started once":    createdNotStarted,
		"created and not started is killed":          createdKilled,
		"an image that cannot be pulled":             unpullable,
		"two scopes":                                 twoScopes,
		"a name that is taken":                       nameTaken,
		"exec keeps the first output":                execOutput,
		"exec of what does not exist":                execAbsent,
		"exec that takes too long is killed":         execKilled,
		"usage":                                      usage,
		"a failed start is told by its error alone":  failedStartIsQuiet,
		"import of the same program":                 importTwice,
	}
}

// must starts a container that must start.
func (w *world) must(d *Driver, spec driver.Spec) driver.Status {
	w.Helper()
	s, err := d.Start(w.ctx, spec)
	if err != nil {
		w.Fatalf("Start(%s) = %v", spec.ID, err)
	}
	return s
}

// watch collects what a watch says until the test ends.
func (w *world) watch(d *Driver) <-chan driver.Status {
	w.Helper()
	seen := make(chan driver.Status, 100)
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- d.Watch(ctx, func(s driver.Status) {
			select {
			case seen <- s:
			case <-ctx.Done():
			}
		})
	}()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.Errorf("Watch = %v, want it to end with its context", err)
		}
	})
	return seen
}

// until waits for a state of a container.
func (w *world) until(seen <-chan driver.Status, id string, state driver.State) driver.Status {
	w.Helper()
	for {
		select {
		case s := <-seen:
			if s.ID == id && s.State == state {
				return s
			}
		case <-w.ctx.Done():
			w.Fatalf("the watch never said that %s is %s", id, state)
		}
	}
}

// ends runs a container to its end.
func (w *world) ends(d *Driver, spec driver.Spec) driver.Status {
	w.Helper()
	w.must(d, spec)
	return w.until(w.watch(d), spec.ID, driver.Exited)
}

func (w *world) log(d *Driver, id string) string {
	w.Helper()
	text, err := driver.Text(d.Logs(w.ctx, id, driver.LogOptions{}))
	if err != nil {
		w.Fatalf("Logs(%s) = %v", id, err)
	}
	return text
}

// poll asks again and again for what makes no event.
func (w *world) poll(what string, done func() bool) {
	w.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatalf("waited in vain for %s", what)
		}
	}
}

func (w *world) wantCode(s driver.Status, code int, reason string) {
	w.Helper()
	got := "none"
	if s.ExitCode != nil {
		got = strconv.Itoa(*s.ExitCode)
	}
	if s.State != driver.Exited || got != strconv.Itoa(code) || s.Reason != reason {
		w.Errorf("%s is %s with exit code %s, %q; want exited with %d, %q", s.ID, s.State, got, s.Reason, code, reason)
	}
}

// wantFailure checks that a start failed for good, by ECS's name, and left nothing.
func (w *world) wantFailure(d *Driver, err error, name string) {
	w.Helper()
	failure, ok := errors.AsType[*driver.Failure](err)
	if !ok || failure.Name != name {
		w.Errorf("Start = %v, want a failure by the name %s", err, name)
	}
	if left, err := d.List(w.ctx); len(left) > 0 || err != nil {
		w.Errorf("List = %v, %v, want nothing left", left, err)
	}
}

func publishedPort(w *world) {
	d := w.connect()
	spec := w.spec("a", "serve", "8080")
	spec.Sandbox.NetworkMode = ""
	port := testneeds.Port(w.T)
	spec.Bindings = []model.PortBinding{{Address: "127.0.0.1", ContainerPort: 8080, HostPort: port, Protocol: "tcp"}}
	s := w.must(d, spec)
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	greeting := w.get(url)
	if greeting != "hello from a container" {
		w.Errorf("the container answers %q, want its greeting", greeting)
	}
	c, err := d.inspect(w.ctx, s.RuntimeID)
	if err != nil {
		w.Fatal(err)
	}
	for _, bindings := range c.NetworkSettings.Ports {
		for _, b := range bindings {
			if b.HostIP.String() != "127.0.0.1" || b.HostPort != strconv.Itoa(port) {
				w.Errorf("published at %v:%s, want 127.0.0.1:%d alone", b.HostIP, b.HostPort, port)
			}
		}
	}
}

// get asks until somebody answers.
func (w *world) get(url string) string {
	w.Helper()
	var said string
	w.poll("an answer of the container", func() bool {
		request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			w.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		said = string(text)
		return err == nil
	})
	return said
}

func portTaken(w *world) {
	d := w.connect()
	l, err := new(net.ListenConfig).Listen(w.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	spec := w.spec("a", "sleep")
	spec.Sandbox.NetworkMode = "bridge"
	spec.Bindings = []model.PortBinding{
		{Address: "127.0.0.1", ContainerPort: 80, HostPort: l.Addr().(*net.TCPAddr).Port, Protocol: "tcp"},
	}
	_, err = d.Start(w.ctx, spec)
	w.wantFailure(d, err, cannotStart)
}

func noNetwork(w *world) {
	d := w.connect()
	spec := w.spec("a", "interfaces")
	spec.Sandbox.NetworkMode = "none"
	w.ends(d, spec)
	for name := range strings.FieldsSeq(w.log(d, "a")) {
		if name == "eth0" {
			w.Errorf("with network mode none there is %s", name)
		}
	}
}

func definitionMembers(w *world) {
	d := w.connect()
	spec := w.spec("a", "env")
	spec.Env = []string{"A=1", "B=two words"}
	spec.Definition.Labels = map[string]string{"team": "blue", labelScope: "somebody else's"}
	spec.Definition.CPU = 1
	spec.Definition.Memory, spec.Definition.MemoryReservation = 64, 32
	s := w.ends(d, spec)
	env := strings.Split(w.log(d, "a"), "\n")
	if !slices.Contains(env, "A=1") || !slices.Contains(env, "B=two words") {
		w.Errorf("the environment is %q, want A and B in it", env)
	}
	c, err := d.inspect(w.ctx, s.RuntimeID)
	if err != nil {
		w.Fatal(err)
	}
	h := c.HostConfig
	got := []int64{h.CPUShares, h.Memory >> 20, h.MemoryReservation >> 20, *h.PidsLimit}
	if diff := cmp.Diff([]int64{2, 64, 32, 4096}, got); diff != "" {
		w.Errorf("shares, memory, its reservation and the limit of processes (-want +got):\n%s", diff)
	}
	labels := map[string]string{
		"team": "blue", labelScope: w.scope, labelID: "a", labelContainer: "main", labelDigest: "", labelTask: spec.Task,
	}
	for k, want := range labels {
		if got, ok := c.Config.Labels[k]; got != want || !ok {
			w.Errorf("label %s is %q, want %q", k, got, want)
		}
	}

	spec = w.spec("b", "whoami")
	spec.Definition.User = "1234:5678"
	w.ends(d, spec)
	if got, want := w.log(d, "b"), "1234 5678 true\n"; got != want {
		w.Errorf("the user is %q, want %q", got, want)
	}
	spec = w.spec("c", "where")
	spec.Definition.WorkingDirectory = "/some/where"
	w.ends(d, spec)
	if got, want := w.log(d, "c"), "/some/where\n"; got != want {
		w.Errorf("the working directory is %q, want %q", got, want)
	}
	spec = w.spec("d", "limit", "7")
	spec.Definition.Ulimits = []model.Ulimit{{Name: "nofile", Soft: 123, Hard: 456}}
	w.ends(d, spec)
	// Go raises the soft limit of open files to the hard one.
	if got := strings.Fields(w.log(d, "d")); len(got) != 2 || got[1] != "456" {
		w.Errorf("the limits of open files are %v, want a hard one of 456", got)
	}
	spec = w.spec("e")
	spec.Definition.EntryPoint, spec.Definition.Command = []string{"/program", "exit"}, []string{"4"}
	w.wantCode(w.ends(d, spec), 4, "")
}

func tooMuchMemory(w *world) {
	d := w.connect()
	spec := w.spec("a", "eat", "256")
	spec.Definition.Memory = 32
	seen := w.watch(d)
	w.must(d, spec)
	s := w.until(seen, "a", driver.Exited)
	if s.Reason == "" { // the kernel's word can be late
		s = w.until(seen, "a", driver.Exited)
	}
	w.wantCode(s, 137, reasonMemory)
}

func taskMemory(w *world) {
	d := w.connect()
	spec := w.spec("a", "sleep")
	spec.Sandbox.Memory = 48
	c, err := d.inspect(w.ctx, w.must(d, spec).RuntimeID)
	if err != nil {
		w.Fatal(err)
	}
	if got := c.HostConfig.Memory >> 20; got != 48 {
		w.Errorf("the limit is %d MiB, want the task's 48", got)
	}
}

// snatch removes a container as somebody else would.
func (w *world) snatch(d *Driver, id string) {
	w.Helper()
	if _, err := d.client.ContainerRemove(w.ctx, d.name(id), client.ContainerRemoveOptions{Force: true}); err != nil {
		w.Fatalf("remove %s: %v", id, err)
	}
}

func removedBehindOurBack(w *world) {
	d := w.connect()
	seen := w.watch(d)
	w.must(d, w.spec("a", "sleep"))
	w.until(seen, "a", driver.Running)
	w.snatch(d, "a")
	s := w.until(seen, "a", driver.Exited)
	if s.Reason == "" { // the end is told before its reason
		s = w.until(seen, "a", driver.Exited)
	}
	w.wantCode(s, 137, reasonVanished)
	if s.StartedAt.IsZero() || s.ExitedAt.IsZero() || s.RuntimeID == "" {
		w.Errorf("a vanished container is %+v, want its times and runtime id", s)
	}
}

func removedUnwatched(w *world) {
	d := w.connect()
	w.must(d, w.spec("a", "sleep"))
	w.must(d, w.spec("b", "sleep"))
	w.snatch(d, "a")
	seen := w.watch(d)
	s := w.until(seen, "a", driver.Exited)
	if s.Reason != reasonVanished || s.ExitCode != nil || s.StartedAt.IsZero() {
		w.Errorf("a container that vanished unseen is %+v, want the reason %q and no exit code", s, reasonVanished)
	}
}

// create makes a container as Start does that is cut off in the middle.
func (w *world) create(d *Driver, spec driver.Spec) {
	w.Helper()
	options, err := d.create(spec, image{name: spec.Definition.Image}, sandbox{})
	if err == nil {
		_, err = d.client.ContainerCreate(w.ctx, options)
	}
	if err != nil {
		w.Fatalf("create %s: %v", spec.ID, err)
	}
}

func createdNotStarted(w *world) {
	d := w.connect()
	spec := w.spec("a", "exit", "6")
	w.create(d, spec)
	all, err := d.List(w.ctx)
	if err != nil || len(all) != 1 || all[0].State != driver.Starting {
		w.Fatalf("List = %v, %v, want one that is starting", all, err)
	}
	end := w.ends(d, spec)
	w.wantCode(end, 6, "")
	again := w.must(w.connect(), spec)
	w.wantCode(again, 6, "")
	if again.RuntimeID != end.RuntimeID || !again.StartedAt.Equal(end.StartedAt) {
		w.Errorf("Start after the end = %+v, want %+v", again, end)
	}
}

func createdKilled(w *world) {
	d := w.connect()
	w.create(d, w.spec("a", "sleep"))
	seen := w.watch(d)
	w.until(seen, "a", driver.Starting)
	if err := d.Kill(w.ctx, "a"); err != nil {
		w.Fatalf("Kill = %v", err)
	}
	if s := w.until(seen, "a", driver.Exited); s.ExitCode != nil {
		w.Errorf("what never ran has exit code %d", *s.ExitCode)
	}
}

func unpullable(w *world) {
	d := w.connect()
	spec := w.spec("a")
	spec.Definition.Image = "127.0.0.1:1/nothing:here"
	_, err := d.Start(w.ctx, spec)
	w.wantFailure(d, err, cannotPull)
	if err != nil && !strings.HasPrefix(err.Error(), "CannotPullContainerError: ") {
		w.Errorf("Start = %q, want ECS's name of the error first", err)
	}
}

func twoScopes(w *world) {
	d := w.connect()
	w.must(d, w.spec("a", "sleep"))
	neighbour := newWorld(w.T, w.host, w.image)
	other := neighbour.connect()
	seen := neighbour.watch(other)
	if all, err := other.List(w.ctx); len(all) > 0 || err != nil {
		w.Errorf("List of another scope = %v, %v, want nothing", all, err)
	}
	if err := errors.Join(other.Kill(w.ctx, "a"), other.Remove(w.ctx, "a")); err != nil {
		w.Errorf("Kill and Remove of another scope's container = %v", err)
	}
	neighbour.must(other, neighbour.spec("a", "exit", "2"))
	w.wantCode(neighbour.until(seen, "a", driver.Exited), 2, "")
	if all, err := d.List(w.ctx); err != nil || len(all) != 1 || all[0].State != driver.Running {
		w.Errorf("List = %v, %v, want a running", all, err)
	}
}

func nameTaken(w *world) {
	d := w.connect()
	options, err := d.create(w.spec("a", "sleep"), image{name: w.image}, sandbox{})
	if err != nil {
		w.Fatal(err)
	}
	options.Config.Labels = nil
	if _, err := d.client.ContainerCreate(w.ctx, options); err != nil {
		w.Fatal(err)
	}
	defer w.snatch(d, "a")
	_, err = d.Start(w.ctx, w.spec("a", "sleep"))
	w.wantFailure(d, err, cannotCreate)
}

func execOutput(w *world) {
	d := w.connect()
	w.must(d, w.spec("a", "sleep"))
	code, output, err := driver.Output(w.ctx, d, "a", []string{"/program", "flood", "1000"})
	if code != 0 || err != nil || len(output) != 4<<10 {
		w.Errorf("Exec = %d, %d bytes, %v, want 0 and the first 4 KiB", code, len(output), err)
	}
}

func execAbsent(w *world) {
	d := w.connect()
	w.must(d, w.spec("a", "sleep"))
	code, output, err := driver.Output(w.ctx, d, "a", []string{"/does/not/exist"})
	if code != 126 && code != 127 || err != nil {
		w.Errorf("Exec of what does not exist = %d, %q, %v, want 126 or 127", code, output, err)
	}
}

func execKilled(w *world) {
	testneeds.Root(w.T)
	d := w.connect()
	s := w.must(d, w.spec("a", "sleep"))
	processes := func() int {
		top, err := d.client.ContainerTop(w.ctx, s.RuntimeID, client.ContainerTopOptions{})
		if err != nil {
			w.Fatal(err)
		}
		return len(top.Processes)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, _, err := driver.Output(ctx, d, "a", []string{"/program", "sleep"})
		ended <- err
	}()
	w.poll("the exec to run", func() bool { return processes() == 2 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		w.Errorf("Exec = %v, want context.Canceled", err)
	}
	w.poll("the exec to be gone", func() bool { return processes() == 1 })
	if all, err := d.List(w.ctx); err != nil || len(all) != 1 || all[0].State != driver.Running {
		w.Errorf("List = %v, %v, want a running", all, err)
	}
}

func usage(w *world) {
	d := w.connect()
	w.must(d, w.spec("a", "eat", "20"))
	w.ends(d, w.spec("b", "exit", "0"))
	w.poll("the memory to be taken", func() bool { return strings.Contains(w.log(d, "a"), "full") })
	for round := range 3 { // the second time, it knows the cgroups, the third time, what runs
		if round == 2 {
			told := make(chan driver.Status, 100)
			go func() { _ = d.Watch(w.ctx, func(s driver.Status) { told <- s }) }()
			for s := range told {
				if s.ID == "a" {
					break
				}
			}
		}
		use, err := d.Usage(w.ctx)
		if err != nil {
			w.Fatalf("Usage = %v", err)
		}
		if got := use["a"]; len(use) != 1 || got.Memory < 20<<20 || got.Memory > 60<<20 || got.CPU <= 0 {
			w.Errorf("Usage = %v, want between 20 and 60 MiB of a, some time, and nothing else", use)
		}
		if n := use["a"].Network; n != nil {
			w.Errorf("the network of a = %+v, want none: it has the machine's", n)
		}
	}
}

func failedStartIsQuiet(w *world) {
	d := w.connect()
	seen := w.watch(d)
	spec := w.spec("a")
	spec.Definition.EntryPoint = []string{"/does/not/exist"}
	_, err := d.Start(w.ctx, spec)
	w.wantFailure(d, err, cannotStart)
	w.must(d, w.spec("b", "exit", "0"))
	for {
		select {
		case s := <-seen:
			if s.ID == "a" && s.State != driver.Starting {
				w.Errorf("the watch says %+v of what did not start", s)
			}
			if s.ID == "b" && s.State == driver.Exited {
				return
			}
		case <-w.ctx.Done():
			w.Fatal("the watch did not go on")
		}
	}
}

func importTwice(w *world) {
	d := w.connect()
	before, err := d.client.ImageInspect(w.ctx, w.image)
	if err != nil {
		w.Fatal(err)
	}
	program := buildProgram(w.T)
	if err := ImportStatic(w.ctx, w.image, program); err != nil {
		w.Fatalf("ImportStatic = %v", err)
	}
	after, err := d.client.ImageInspect(w.ctx, w.image)
	if err != nil || after.ID != before.ID {
		w.Errorf("after a second import the image is %s, %v, want %s as before", after.ID, err, before.ID)
	}
}
