package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// losses is how much TestNoRequestIsLost does.
type losses struct {
	updates, scales, stops int
	requests               int // at least
}

// lossesFrom reads the variable LOSS: "full" is
//
//	LOSS=full go test ./test/e2e -run 'TestNoRequestIsLost$' -timeout 30m -v
//
// and takes some ten minutes, as it does with TestNoRequestOfWrkIsLost; without it everything is done a few times, which is enough to find what always fails.
func lossesFrom(t *testing.T) losses {
	t.Helper()
	switch text := os.Getenv("LOSS"); text {
	case "":
		return losses{updates: 3, scales: 3, stops: 5}
	case "full":
		return losses{updates: 20, scales: 20, stops: 50, requests: 300_000}
	default:
		t.Fatalf("LOSS is %q; it is full, or not set", text)
		return losses{}
	}
}

// lossDelay is the deregistration delay: WebSockets last that long.
const lossDelay = 2 * time.Second

// TestNoRequestIsLost sends requests, and messages through WebSockets, all the time while the service is updated, scaled,
// robbed of tasks and of a machine, the server is killed, and another balancer takes over: none of it is any client's
// business. LOSS=full does all of it more often (see lossesFrom).
func TestNoRequestIsLost(t *testing.T) {
	t.Parallel()
	do, dir := lossesFrom(t), stateDir(t)
	server := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	start(t, "agent", "--data-dir", dir, "--driver", "process")
	balancer := start(t, "lb", "--data-dir", dir)
	endpoint, err := os.ReadFile(filepath.Join(dir, "store", "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	const n = 3
	b := newBalanced(t, server.api, elbtypes.LoadBalancerTypeEnumApplication, n, nil)
	b.delay(lossDelay)
	l := flood(t, "http://"+b.address, everyKind()...)
	s := openSockets(l, b, 4)
	for range do.updates {
		b.update()
		b.settled(n)
	}
	t.Logf("%d requests during %d rolling updates", l.sent(), do.updates)
	for range do.scales {
		b.scale(2 * n)
		b.scale(n)
	}
	t.Logf("%d requests until the service was scaled in and out %d times", l.sent(), do.scales)
	for range do.stops {
		b.stopOne(n)
	}
	t.Logf("%d requests until %d tasks were stopped", l.sent(), do.stops)
	b.borrow(strings.TrimSpace(string(endpoint)), n)
	t.Logf("%d requests until a machine was drained", l.sent())

	next := start(t, "lb", "--data-dir", dir)
	talked := s.messages()
	eventually(t, "WebSockets go on through the balancer that was taken over from", func() bool { return s.messages() > talked+500 })
	select {
	case <-balancer.done:
		t.Error("the balancer that was taken over from has ended, with WebSockets in its hands")
	default:
	}
	s.renew() // and it has nothing in its hands any more
	<-balancer.done
	if code := balancer.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the balancer that was taken over from ended with %d:\n%s", code, balancer.output())
	}
	b.update()
	b.settled(n)
	t.Logf("%d requests until another balancer had taken over", l.sent())

	sent := l.sent()
	server.kill()
	eventually(t, "requests are served while the server is dead", func() bool { return l.sent() > sent+500 })
	server = start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	b.connect(server.api)
	b.update()
	b.settled(n)
	for l.sent() < do.requests {
		b.update()
		b.settled(n)
	}
	s.report()
	l.report()
	select {
	case <-next.done:
		t.Errorf("the balancer has ended:\n%s", next.output())
	default:
	}
}

// machines are the container instances that can run tasks.
func (b *balanced) machines() []string {
	b.t.Helper()
	list, err := b.c.ListContainerInstances(b.t.Context(), &ecs.ListContainerInstancesInput{Status: types.ContainerInstanceStatusActive})
	b.must(err)
	return list.ContainerInstanceArns
}

// machine describes one of them.
func (b *balanced) machine(arn string) types.ContainerInstance {
	b.t.Helper()
	out, err := b.c.DescribeContainerInstances(b.t.Context(), &ecs.DescribeContainerInstancesInput{ContainerInstances: []string{arn}})
	b.must(err)
	return out.ContainerInstances[0]
}

// borrow gives the service a second machine, lets it grow to 2n tasks over both, and then takes the machine away again.
func (b *balanced) borrow(endpoint string, n int) {
	b.t.Helper()
	first := b.machines()
	agent := start(b.t, "agent", "--data-dir", stateDir(b.t), "--driver", "process", "--etcd-endpoints", endpoint)
	var second string
	eventually(b.t, "the second machine has joined", func() bool {
		for _, m := range b.machines() {
			if !slices.Contains(first, m) && b.machine(m).AgentConnected {
				second = m
			}
		}
		return second != ""
	})
	b.scale(2 * n)
	if got := b.machine(second).RunningTasksCount; got == 0 {
		b.t.Error("no task was placed on the machine that joined")
	}
	_, err := b.c.UpdateContainerInstancesState(b.t.Context(), &ecs.UpdateContainerInstancesStateInput{
		ContainerInstances: []string{second}, Status: types.ContainerInstanceStatusDraining,
	})
	b.must(err)
	eventually(b.t, "the draining machine has no task left", func() bool { return b.machine(second).RunningTasksCount == 0 })
	b.settled(2 * n)
	b.scale(n)
	agent.interrupt()
}

// TestKillUnderLoad kills a task with -9: what it had in its hands is lost where it cannot safely be sent again, and nothing
// that begins later.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	const n = 3
	b := newBalanced(t, p.api, elbtypes.LoadBalancerTypeEnumApplication, n, nil)
	kinds := append(everyKind(), requests{name: "slow", connections: 6, path: "/hold?200", transport: keepAlive})
	connections := 0
	for _, k := range kinds {
		connections += k.connections
	}
	l := flood(t, "http://"+b.address, kinds...)
	eventually(t, "all tasks answer", func() bool { return len(l.reached()) == n })
	for task, pid := range running(t, b.c) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the killed process is gone", func() bool { return !alive(pid) })
		dead, sent := time.Now(), l.sent()
		eventually(t, "the killed task is over", func() bool {
			return aws.ToString(describe(t, b.c, []string{task})[0].LastStatus) == "STOPPED"
		})
		b.settled(n)
		eventually(t, "many more requests are sent", func() bool { return l.sent() > sent+1000 })
		l.end()
		lost := l.failures()
		t.Logf("%d of %d requests failed, %d connections", len(lost), l.sent(), connections)
		if len(lost) > connections {
			t.Errorf("%d requests were lost, more than the %d that can have been in its hands", len(lost), connections)
		}
		for _, f := range lost {
			if f.began.After(dead) {
				t.Errorf("a request was lost that began %v after the task was dead: %s", f.began.Sub(dead), f)
			}
			t.Logf("lost: %s, began %v before the task was dead", f, dead.Sub(f.began))
		}
		return
	}
}
