package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// lossRounds is how often TestNoRequestIsLost does everything: once, or as often as LOSS_ROUNDS says.
func lossRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("LOSS_ROUNDS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("LOSS_ROUNDS is %q, a number is wanted", text)
	}
	return n
}

// TestNoRequestIsLost sends requests all the time while the service is updated, scaled, robbed of tasks and of a machine, and
// the server is killed: none of it is any client's business.
func TestNoRequestIsLost(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	server := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	start(t, "agent", "--data-dir", dir, "--driver", "process")
	start(t, "lb", "--data-dir", dir)
	endpoint, err := os.ReadFile(filepath.Join(dir, "store", "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	const n = 3
	b := newBalanced(t, server.api, elbtypes.LoadBalancerTypeEnumApplication, n, nil)
	l := flood(t, "http://"+b.address, everyKind()...)
	for range lossRounds(t) {
		for range 5 {
			b.update()
			b.settled(n)
		}
		t.Logf("%d requests during rolling updates", l.sent())
		for range 5 {
			b.scale(2 * n)
			b.scale(n)
		}
		t.Logf("%d requests until the service was scaled in and out", l.sent())
		for range 10 {
			b.stopOne(n)
		}
		t.Logf("%d requests until tasks were stopped", l.sent())
		b.borrow(strings.TrimSpace(string(endpoint)), n)

		sent := l.sent()
		t.Logf("%d requests until a machine was drained", sent)
		server.kill()
		eventually(t, "requests are served while the server is dead", func() bool { return l.sent() > sent+500 })
		server = start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
		b.connect(server.api)
		b.update()
		b.settled(n)
	}
	l.report()
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
