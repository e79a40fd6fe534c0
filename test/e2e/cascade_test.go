package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// TestCascade has all tasks of a service turn unhealthy together, under load, and those that replace them as well. That kills
// nothing: requests are answered by tasks that are unhealthy, as many run as have to, no more are alive than may be, and an
// event says that this holds back replacements. When what made them ill is over, all are replaced, and the service is steady.
func TestCascade(t *testing.T) {
	t.Parallel()
	const least, most = 4, 6
	p := up(t, stateDir(t))
	b := newBalanced(t, p.api, elbtypes.LoadBalancerTypeEnumApplication, least, nil)
	_, err := b.c.UpdateService(t.Context(), &ecs.UpdateServiceInput{
		Service:                 aws.String(worker),
		DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(150)},
	})
	b.must(err)
	first := listed(t, b.c, worker)
	l := flood(t, "http://"+b.address, requests{name: "HTTP/1.1", connections: 3, transport: keepAlive}, requests{name: "new connections", connections: 2, transport: newEach})

	began := time.Now()
	b.must(os.WriteFile(b.sick, nil, 0o600))
	eventually(t, "all tasks are unhealthy", func() bool {
		states := b.health()
		return states["healthy"] == 0 && states["unhealthy"] >= least
	})
	eventually(t, "an event says that bounds hold back replacements", func() bool {
		return b.said(" is unable to replace all unhealthy tasks at once: ", "6 tasks at most (maximumPercent 150)", "4 have to run (minimumHealthyPercent 100)")
	})
	whyTells(t, p.api, worker, "held up", "unhealthy tasks are not all replaced at once: ")
	sent := l.sent()
	eventually(t, "requests are answered while no task is healthy", func() bool { return l.sent() >= sent+200 })
	if states := b.health(); states["healthy"] != 0 {
		t.Errorf("targets are %v while none can be well", states)
	}
	t.Logf("after %v all are unhealthy", time.Since(began).Round(time.Millisecond))

	b.must(os.Remove(b.sick))
	b.settled(least)
	eventually(t, "the service is steady", func() bool { return b.newest(" has reached a steady state.").After(began) })
	t.Logf("after %v the service is steady", time.Since(began).Round(time.Millisecond))
	l.report()
	b.kept(began, least, most)
	for _, task := range describe(t, b.c, first) {
		if reason := aws.ToString(task.StoppedReason); reason != "Task failed ELB health checks in (target-group "+b.group+")" {
			t.Errorf("task %s is %s: %q", *task.TaskArn, aws.ToString(task.LastStatus), reason)
		}
	}
}

// said says whether there is an event with all these texts in it.
func (b *balanced) said(texts ...string) bool { return !b.newest(texts...).IsZero() }

// newest is when the newest event with all these texts was told, zero if there is none.
func (b *balanced) newest(texts ...string) time.Time {
	b.t.Helper()
	out, err := b.c.DescribeServices(b.t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}})
	b.must(err)
	for _, e := range out.Services[0].Events {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(*e.Message, text) }) {
			return *e.CreatedAt
		}
	}
	return time.Time{}
}

// kept checks by the records of all tasks that since then, at no time, fewer have run than the least, nor more been alive than
// the most. One that is asked to stop counts no more, although it answers what it has in hand.
func (b *balanced) kept(since time.Time, least, most int) {
	b.t.Helper()
	type change struct {
		at             time.Time
		running, alive int
	}
	var changes []change
	tasks := slices.Concat(describe(b.t, b.c, listed(b.t, b.c, worker)), stopped(b.t, b.c))
	for _, t := range tasks {
		ran := 0
		if changes = append(changes, change{*t.CreatedAt, 0, 1}); t.StartedAt != nil {
			ran = 1
			changes = append(changes, change{*t.StartedAt, 1, 0})
		}
		if t.StoppingAt != nil {
			changes = append(changes, change{*t.StoppingAt, -ran, -1})
		}
	}
	slices.SortStableFunc(changes, func(x, y change) int { return x.at.Compare(y.at) })
	running, alive := 0, 0
	for i, c := range changes {
		running, alive = running+c.running, alive+c.alive
		together := i+1 < len(changes) && changes[i+1].at.Equal(c.at)
		if together || c.at.Before(since) {
			continue
		}
		if running < least || alive > most {
			b.t.Errorf("%v after it began, %d tasks run and %d are alive; want %d at least and %d at most", c.at.Sub(since), running, alive, least, most)
		}
	}
	b.t.Logf("%d tasks came, at the end %d run", len(tasks), running)
}
