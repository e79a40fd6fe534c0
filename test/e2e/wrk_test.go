package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestNoRequestOfWrkIsLost is TestNoRequestIsLost as somebody else's program sees it: wrk keeps its connections and has a
// request on each of them nearly all the time, while the service is updated, scaled and robbed of tasks, and another
// balancer takes over. LOSS=full does it more often.
func TestNoRequestOfWrkIsLost(t *testing.T) {
	t.Parallel()
	program := testneeds.Command(t, "wrk")
	do, dir := lossesFrom(t), stateDir(t)
	server := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	start(t, "agent", "--data-dir", dir, "--driver", "process")
	balancer := start(t, "lb", "--data-dir", dir)
	const n = 3
	b := newBalanced(t, server.api, elbtypes.LoadBalancerTypeEnumApplication, n, nil)
	b.delay(lossDelay)
	w := startWrk(t, program, "http://"+b.address+"/")
	for range do.updates {
		b.update()
		b.settled(n)
	}
	for range do.scales {
		b.scale(2 * n)
		b.scale(n)
	}
	for range do.stops {
		b.stopOne(n)
	}
	next := start(t, "lb", "--data-dir", dir)
	<-balancer.done // after the next request of each connection, whose answer says that it is the last one
	b.update()
	b.settled(n)
	w.report()
	select {
	case <-next.done:
		t.Errorf("the balancer has ended:\n%s", next.output())
	default:
	}
}

// wrk is a running one.
type wrk struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer
}

// startWrk sends requests on 16 connections that are kept, with a short pause after each answer.
func startWrk(t *testing.T, program, url string) *wrk {
	t.Helper()
	script := filepath.Join(t.TempDir(), "pause.lua")
	if err := os.WriteFile(script, []byte("function delay() return 5 end\n"), 0o600); err != nil { // milliseconds
		t.Fatal(err)
	}
	w := &wrk{t: t, cmd: exec.Command(program, "--threads", "2", "--connections", "16", "--duration", "1h", "--timeout", "30s", "--script", script, url)}
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.out
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.cmd.ProcessState == nil {
			_ = w.cmd.Process.Kill()
			_ = w.cmd.Wait()
		}
	})
	return w
}

// What wrk says when it ends. Lines about errors are only there when there were some.
var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in `)
	wrkErrors   = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx or 3xx responses): .*$`)
)

// report ends wrk, and fails the test if it has lost anything.
func (w *wrk) report() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		w.t.Fatal(err)
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Fatalf("wrk: %v\n%s", err, w.out.String())
	}
	found := wrkRequests.FindSubmatch(w.out.Bytes())
	if found == nil {
		w.t.Fatalf("wrk does not say how many requests it has sent:\n%s", w.out.String())
	}
	sent, _ := strconv.Atoi(string(found[1])) // digits
	if lost := wrkErrors.FindAll(w.out.Bytes(), -1); len(lost) > 0 || sent < 1000 {
		w.t.Errorf("wrk says of %d requests: %s\n%s", sent, bytes.Join(lost, []byte("; ")), w.out.String())
	}
	w.t.Logf("%d requests of wrk", sent)
}
