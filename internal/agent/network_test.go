package agent_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/fake"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func idOf(n int) string { return model.ShortID(arnOf(n)) }

// network puts a VPC with one subnet and two security groups into the store: sg-in lets its own members in, sg-out lets
// everything out.
func (r *rig) network(cidr string) {
	r.t.Helper()
	r.put(
		&model.VPC{ID: "vpc-1", Region: "r", CIDR: "10.0.0.0/16"},
		&model.Subnet{ID: "subnet-1", Region: "r", VPC: "vpc-1", Zone: "za", CIDR: cidr},
		&model.SecurityGroup{ID: "sg-in", Region: "r", VPC: "vpc-1", Rules: []model.SecurityGroupRule{
			{Protocol: "tcp", From: 80, To: 80, Group: "sg-in"},
		}},
		&model.SecurityGroup{ID: "sg-out", Region: "r", VPC: "vpc-1", Rules: []model.SecurityGroupRule{
			{Egress: true, Protocol: "-1", CIDR: "0.0.0.0/0"},
		}},
	)
}

// own is a definition whose tasks have a network of their own.
func own(def *model.TaskDefinition) *model.TaskDefinition {
	def.ARN += "0"
	def.NetworkMode = "awsvpc"
	return def
}

// wantOwn makes a task with a network of its own wanted.
func (r *rig) wantOwn(n int, def *model.TaskDefinition, groups ...string) string {
	r.t.Helper()
	r.put(def, &model.Task{
		ARN: arnOf(n), Machine: machineID, TaskDefinition: def.ARN, Desired: model.TaskRunning,
		Network: &model.NetworkConfiguration{Subnets: []string{"subnet-1"}, SecurityGroups: groups},
	})
	return arnOf(n)
}

// faults fails calls of the fake driver for sandboxes, as long as it is told to.
type faults struct {
	mu    sync.Mutex
	on    map[string]bool // by call
	calls map[string]int  // by call and task
}

func newFaults() *faults { return &faults{on: map[string]bool{}, calls: map[string]int{}} }

func (f *faults) set(call string, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on[call] = on
}

func (f *faults) fault(call, task string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[call+" "+task]++
	if f.on[call] {
		return errors.New("the kernel is busy")
	}
	return nil
}

func (f *faults) count(call string, n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call+" "+idOf(n)]
}

// faulty gives the rig a machine whose calls for sandboxes may fail.
func (r *rig) faulty() *faults {
	f := newFaults()
	r.machine = fake.New(fake.Config{Script: r.behave, Fault: f.fault})
	return f
}

// boxes lists the sandboxes that there are.
func (r *rig) boxes() []string {
	r.t.Helper()
	ids, err := r.machine.Connect().Sandboxes(context.WithoutCancel(r.t.Context()))
	if err != nil {
		r.t.Fatalf("Sandboxes: %v", err)
	}
	return ids
}

func TestOwnNetwork(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.network("10.0.0.0/24")
		r.script = func(driver.Spec) fake.Behaviour { return fake.Behaviour{Pull: time.Second} }
		a := r.start(nil)
		defer a.stop()
		def := own(pair())
		def.Containers[0].Ports = nil
		arn := r.wantOwn(1, def, "sg-in", "sg-out")
		r.until("RUNNING", r.is(arn, model.TaskRunning))
		seen := r.seen(arn)
		box, ok := r.machine.Sandbox(idOf(1))
		if !ok || seen.Attachment == nil || cmp.Diff(seen.Attachment, box.Attachment) != "" {
			t.Fatalf("told %+v, started with %+v, want the same", seen.Attachment, box.Attachment)
		}
		at := seen.Attachment.Address
		if addr := netip.MustParseAddr(at); !netip.MustParsePrefix("10.0.0.0/24").Contains(addr) || seen.Attachment.Zone != "za" {
			t.Errorf("got %+v, want one of 10.0.0.0/24 in za", seen.Attachment)
		}
		want := []model.FirewallRule{
			{Protocol: "tcp", From: 80, To: 80, Ranges: []string{at}},
			{Egress: true, Protocol: "-1", From: -1, To: -1, Ranges: []string{"0.0.0.0/0"}},
		}
		if diff := cmp.Diff(want, box.Rules); diff != "" {
			t.Errorf("rules (-want +got):\n%s", diff)
		}
		if got := r.specs[r.id(arn, "app", 0)].Peers; !cmp.Equal(got, map[string]string{"db": r.id(arn, "db", 0)}) {
			t.Errorf("got peers %v, want db", got)
		}
		if got := seen.PullStoppedAt.Sub(seen.PullStartedAt); got != time.Second {
			t.Errorf("it was pulled from %v to %v, want for a second", seen.PullStartedAt, seen.PullStoppedAt)
		}
		r.wantStopped(arn)
		r.until("STOPPED", r.is(arn, model.TaskStopped))
		if got := r.boxes(); len(got) > 0 {
			t.Errorf("got sandboxes %v after the end, want none", got)
		}
		if got := r.seen(arn).Attachment; got == nil || got.Address != at {
			t.Errorf("got %+v after the end, want what it had", got)
		}
		if files := r.ledger(); len(files) > 0 {
			t.Errorf("got files %v after the end, want none", files)
		}
	})
}

// ledger lists the files in which the agent remembers what it gave.
func (r *rig) ledger() []string {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "ports", "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

// TestAddressIsAnothers gives an address again only after it was freed and has rested.
func TestAddressIsAnothers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.faulty()
		r.network("10.0.0.0/30") // one address
		r.change = func(c *agent.Config) { c.AddressRest = time.Minute }
		a := r.start(nil)
		defer a.stop()
		first := r.wantOwn(1, own(single()))
		r.until("RUNNING", r.is(first, model.TaskRunning))
		refused := func(n int) {
			t.Helper()
			arn := r.wantOwn(n, own(single()))
			r.until("STOPPED", r.is(arn, model.TaskStopped))
			want := "ResourceInitializationError: no address is free in subnet-1 (10.0.0.0/30)"
			if got := r.seen(arn); got.StopReason != want || got.StopCode != model.StopFailedToStart {
				t.Errorf("got %s: %q, want %q", got.StopCode, got.StopReason, want)
			}
		}
		refused(2)

		f.set("release", true)
		r.wantStopped(first)
		pass(2 * time.Second)
		synctest.Wait()
		if got := r.seen(first).Status; got != model.TaskDeprovisioning {
			t.Errorf("got %s while its sandbox cannot be released, want DEPROVISIONING", got)
		}
		pass(26 * time.Second)
		synctest.Wait()
		if got := r.seen(first).Status; got != model.TaskDeprovisioning {
			t.Errorf("got %s before half a minute has passed, want DEPROVISIONING", got)
		}
		pass(3 * time.Second)
		r.until("STOPPED all the same", r.is(first, model.TaskStopped))
		refused(3)
		if files := r.ledger(); len(files) != 1 {
			t.Errorf("got files %v, want that of the address that is not free", files)
		}

		f.set("release", false)
		r.until("the sandbox is released", func() bool { return len(r.boxes()) == 0 })
		refused(4) // it rests
		pass(time.Minute)
		second := r.wantOwn(5, own(single()))
		r.until("RUNNING", r.is(second, model.TaskRunning))
		if files := r.ledger(); len(files) != 1 {
			t.Errorf("got files %v, want that of the task that runs", files)
		}
	})
}

func TestNoNetwork(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		missing := r.wantOwn(1, own(single()))
		nothing := r.want(2, own(single()))
		for arn, want := range map[string]string{
			missing: "ResourceInitializationError: there is no subnet subnet-1",
			nothing: "ResourceInitializationError: the task has no networkConfiguration",
		} {
			r.until("STOPPED", r.is(arn, model.TaskStopped))
			if got := r.seen(arn); got.StopReason != want || got.Attachment != nil {
				t.Errorf("got %q with %+v, want %q with no interface", got.StopReason, got.Attachment, want)
			}
		}
		if got := r.machine.Started(); got != 0 {
			t.Errorf("got %d starts, want none", got)
		}
	})
}

// rules gives the addresses that may reach a task by the rule of sg-in.
func (r *rig) sources(n int) []string {
	box, _ := r.machine.Sandbox(idOf(n))
	for _, rule := range box.Rules {
		if !rule.Egress {
			return rule.Ranges
		}
	}
	return nil
}

// TestRulesFollow has the rules of running tasks follow the members of the groups that they name, and the groups.
func TestRulesFollow(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.faulty()
		r.network("10.0.0.0/24")
		a := r.start(nil)
		defer func() { a.stop() }()
		address := func(n int) string { return r.seen(arnOf(n)).Attachment.Address }
		follow := func(what string, members ...int) {
			t.Helper()
			var want []string
			for _, n := range members {
				want = append(want, address(n))
			}
			slices.SortFunc(want, func(a, b string) int { return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b)) })
			for _, n := range members {
				r.until(fmt.Sprintf("%s: %d is reached by %v", what, n, want), func() bool {
					return slices.Equal(r.sources(n), want)
				})
			}
		}
		r.until("RUNNING", r.is(r.wantOwn(1, own(single()), "sg-in"), model.TaskRunning))
		follow("one", 1)
		r.until("RUNNING", r.is(r.wantOwn(2, own(single()), "sg-in"), model.TaskRunning))
		r.until("RUNNING", r.is(r.wantOwn(3, own(single()), "sg-out"), model.TaskRunning))
		follow("another starts", 1, 2)

		f.set("secure", true)
		r.until("RUNNING", r.is(r.wantOwn(4, own(single()), "sg-in"), model.TaskRunning))
		pass(10 * time.Second)
		f.set("secure", false)
		follow("the driver could not", 1, 2, 4)

		a.stop()
		r.machine.Exit(r.id(arnOf(4), "web", 0), 0)
		a = r.start(nil)
		r.until("STOPPED", r.is(arnOf(4), model.TaskStopped))
		follow("one ends while nobody looks", 1, 2)

		r.wantStopped(arnOf(2))
		r.until("STOPPED", r.is(arnOf(2), model.TaskStopped))
		follow("one ends", 1)

		r.put(&model.SecurityGroup{ID: "sg-in", Region: "r", VPC: "vpc-1", Rules: []model.SecurityGroupRule{
			{Protocol: "udp", From: 53, To: 53, CIDR: "10.9.0.0/16"},
		}})
		want := []model.FirewallRule{{Protocol: "udp", From: 53, To: 53, Ranges: []string{"10.9.0.0/16"}}}
		r.until("the group changes", func() bool {
			box, _ := r.machine.Sandbox(idOf(1))
			return cmp.Equal(box.Rules, want)
		})
		before := f.count("secure", 1)
		r.put(&model.SecurityGroup{ID: "sg-other", Region: "r", VPC: "vpc-1"})
		pass(time.Minute)
		synctest.Wait()
		if got := f.count("secure", 1); got != before {
			t.Errorf("the driver was told %d times more of rules that are the same", got-before)
		}
	})
}

// TestRulesDuringAStart: the start brings rules that are old by the time it is answered.
func TestRulesDuringAStart(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.network("10.0.0.0/24")
		r.change = func(c *agent.Config) { c.Driver = lateDriver{c.Driver} }
		a := r.start(nil)
		defer a.stop()
		r.wantOwn(1, own(single()), "sg-in")
		pass(500 * time.Millisecond)
		r.wantOwn(2, own(single()), "sg-in")
		for _, n := range []int{1, 2} {
			r.until("RUNNING", r.is(arnOf(n), model.TaskRunning))
			r.until("both reach it", func() bool { return len(r.sources(n)) == 2 })
		}
	})
}

// TestLeftSandboxes releases what no living task has, and nothing else.
func TestLeftSandboxes(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.faulty()
		r.network("10.0.0.0/24")
		first := r.start(nil)
		for n := range 4 {
			r.until("RUNNING", r.is(r.wantOwn(n, own(single())), model.TaskRunning))
		}
		f.set("release", true)
		r.wantStopped(arnOf(1)) // over, but its sandbox is not released
		r.until("STOPPED", r.is(arnOf(1), model.TaskStopped))
		first.stop()
		r.forget(2) // what runs has no task
		f.set("release", false)
		r.change = func(c *agent.Config) { c.Driver = lazyKiller{c.Driver} }
		second := r.start(nil)
		defer second.stop()
		want := []string{idOf(0), idOf(3)}
		r.until("two are released", func() bool { return slices.Equal(r.boxes(), want) })
		r.forget(3)
		r.until("another is released", func() bool { return slices.Equal(r.boxes(), want[:1]) })
		pass(time.Minute)
		r.until("one file is left", func() bool { return len(r.ledger()) == 1 })
		if got := r.alive(); !slices.Equal(got, []string{r.id(arnOf(0), "web", 0)}) {
			t.Errorf("got %v alive, want the one task that is wanted", got)
		}
		for n, want := range map[int]int{0: 0, 2: 1, 3: 1} { // and not before its containers are over
			if got := f.count("release", n); got != want {
				t.Errorf("the sandbox of task %d was released %d times, want %d", n, got, want)
			}
		}
	})
}

// lazyKiller takes a second to kill.
type lazyKiller struct{ driver.Driver }

func (d lazyKiller) Kill(ctx context.Context, id string) error {
	pass(time.Second)
	return d.Driver.Kill(ctx, id)
}

// TestLeftAddress keeps the address of a task that nobody knows any more until its sandbox is released.
func TestLeftAddress(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.faulty()
		r.network("10.0.0.0/30")
		first := r.start(nil)
		r.until("RUNNING", r.is(r.wantOwn(1, own(single())), model.TaskRunning))
		f.set("release", true)
		r.wantStopped(arnOf(1))
		r.until("STOPPED", r.is(arnOf(1), model.TaskStopped))
		first.stop()
		r.forget(1)
		second := r.start(nil)
		r.until("STOPPED: its address is taken", r.is(r.wantOwn(2, own(single())), model.TaskStopped))
		f.set("release", false)
		r.until("the sandbox is released", func() bool { return len(r.boxes()) == 0 })
		second.stop()
		third := r.start(nil)
		defer third.stop()
		pass(2 * time.Minute)
		r.until("RUNNING", r.is(r.wantOwn(3, own(single())), model.TaskRunning))
	})
}

// forget deletes a task.
func (r *rig) forget(n int) {
	r.t.Helper()
	_, err := r.control.Update(r.t.Context(), func(tx *store.Tx) error {
		tx.Delete(model.TaskKey(machineID, arnOf(n)))
		tx.Delete(model.ObservedKey(machineID, arnOf(n)))
		return nil
	})
	if err != nil {
		r.t.Fatalf("delete: %v", err)
	}
}

// TestStopAllReleases leaves no sandbox behind, and does not wait for one that cannot be released.
func TestStopAllReleases(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.faulty()
		a := r.start(nil)
		defer a.stop()
		r.until("RUNNING", r.is(r.want(1, single()), model.TaskRunning))
		r.until("RUNNING", r.is(r.want(2, single()), model.TaskRunning))
		f.set("release", true)
		r.wantStopped(arnOf(1))
		r.until("STOPPED at once: it has no network of its own", r.is(arnOf(1), model.TaskStopped))
		r.until("it was tried", func() bool { return f.count("release", 1) > 0 })
		began := time.Now()
		if err := a.StopAll(t.Context(), "enough", time.Minute); err != nil {
			t.Fatalf("StopAll: %v", err)
		}
		if took := time.Since(began); took > time.Second || f.count("release", 2) == 0 {
			t.Errorf("it took %v with %d tries, want it to try and not to wait", took, f.count("release", 2))
		}
	})
}

func TestPrepare(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var mu sync.Mutex
		trouble := map[string][]error{
			arnOf(2): {errors.New("no route"), errors.New("no route"), nil},
			arnOf(3): {&driver.Failure{Name: "ResourceInitializationError", Err: errors.New("there is no secret x")}},
			arnOf(4): slices.Repeat([]error{errors.New("no route")}, 1000),
		}
		r.change = func(c *agent.Config) {
			c.Prepare = func(_ context.Context, task *model.Task, def *model.TaskDefinition, spec *driver.Spec) error {
				mu.Lock()
				defer mu.Unlock()
				if list := trouble[task.ARN]; len(list) > 0 {
					trouble[task.ARN] = list[1:]
					if list[0] != nil {
						return list[0]
					}
				}
				spec.Env = append(spec.Env, "SECRET="+def.Containers[0].Name)
				return nil
			}
		}
		a := r.start(nil)
		defer a.stop()
		for n := 1; n <= 4; n++ {
			r.want(n, single())
		}
		for n := 1; n <= 2; n++ {
			r.until("RUNNING", r.is(arnOf(n), model.TaskRunning))
			if got := r.specs[r.id(arnOf(n), "web", 0)].Env; !slices.Equal(got, []string{"SECRET=web"}) {
				t.Errorf("%d: got environment %q, want the secret", n, got)
			}
		}
		for n, want := range map[int]string{
			3: "ResourceInitializationError: there is no secret x", 4: "ResourceInitializationError: no route",
		} {
			r.until("STOPPED", r.is(arnOf(n), model.TaskStopped))
			if got := r.seen(arnOf(n)).StopReason; got != want {
				t.Errorf("%d: got %q, want %q", n, got, want)
			}
		}
	})
}

// TestPolicy refuses what the operator does not allow, at once what can be told from the definition, and at the start
// what symbolic links lead to; the driver gets the path that was allowed.
func TestPolicy(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		root, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		allowed := filepath.Join(root, "allowed")
		if err := errors.Join(
			os.MkdirAll(filepath.Join(allowed, "real"), 0o700), os.Symlink("real", filepath.Join(allowed, "link")),
			os.Symlink("/etc", filepath.Join(allowed, "etc")),
		); err != nil {
			t.Fatal(err)
		}
		r.change = func(c *agent.Config) { c.Machine.Policy = model.Policy{HostPaths: []string{allowed}} }
		a := r.start(nil)
		defer a.stop()
		mount := func(n int, path string) string {
			def := single()
			def.ARN += fmt.Sprint(n)
			def.Volumes = []model.Volume{{Name: "v", HostPath: path}}
			def.Containers[0].Mounts = []model.Mount{{Volume: "v", Path: "/v"}}
			return r.want(n, def)
		}
		arn := mount(1, filepath.Join(allowed, "link"))
		r.until("RUNNING", r.is(arn, model.TaskRunning))
		if box, _ := r.machine.Sandbox(idOf(1)); len(box.Volumes) != 1 || box.Volumes[0].HostPath != filepath.Join(allowed, "real") {
			t.Errorf("got volumes %+v, want what the link leads to", box.Volumes)
		}
		for n, path := range []string{2: "/etc", 3: filepath.Join(allowed, "etc")} {
			if path == "" {
				continue
			}
			arn := mount(n, path)
			r.until("STOPPED", r.is(arn, model.TaskStopped))
			got := r.seen(arn).StopReason
			if !strings.HasPrefix(got, "CannotCreateContainerError: ") || !strings.Contains(got, "--allow-host-path") {
				t.Errorf("%s: got %q, want a refusal", path, got)
			}
		}
		if got := r.machine.Started(); got != 1 {
			t.Errorf("got %d starts, want 1", got)
		}
	})
}
