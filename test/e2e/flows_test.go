package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// held is a connection that a client keeps, with the requests that it sends over it.
type held struct {
	conn net.Conn
	in   *bufio.Reader

	process, port string // who answers, as the first answer said: it never changes

	mu      sync.Mutex
	answers int
	broken  error
}

// hold opens a connection and sends requests over it until it breaks.
func hold(t *testing.T, address string, clients *sync.WaitGroup) *held {
	t.Helper()
	conn, err := net.Dial("tcp", address) //nolint:noctx // of this machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	h := &held{conn: conn, in: bufio.NewReader(conn)}
	if err := h.ask(); err != nil {
		t.Fatal(err)
	}
	clients.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for {
			<-tick.C
			if err := h.ask(); err != nil {
				h.mu.Lock()
				h.broken = err
				h.mu.Unlock()
				return
			}
		}
	})
	return h
}

// ask sends one request.
func (h *held) ask() error {
	if _, err := io.WriteString(h.conn, "GET / HTTP/1.1\r\nHost: front\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(h.in, nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	process := answer.Header.Get("X-Process")
	if h.process == "" {
		h.process, h.port = process, answer.Header.Get("X-Port")
	}
	if h.process != process {
		return fmt.Errorf("process %s answers, and before it %s did", process, h.process)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers++
	return nil
}

func (h *held) state() (answers int, broken error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answers, h.broken
}

// TestFlows leads connections to a service by a network load balancer: new ones never fail, and those that there are last
// until their task has been deregistered for as long as the group says.
func TestFlows(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	const n = 3
	b := newBalanced(t, p.api, elbtypes.LoadBalancerTypeEnumNetwork, n, nil)
	l := flood(t, "http://"+b.address, requests{name: "new connections", connections: 4, body: 3_000, transport: newEach})
	var clients sync.WaitGroup
	var all []*held
	for range 6 {
		all = append(all, hold(t, b.address, &clients))
	}
	b.update()
	leaving := map[*held]int{} // answers when the target was first seen to be deregistered
	eventually(t, "every connection is over", func() bool {
		draining, over := b.draining(), true
		for _, h := range all {
			answers, broken := h.state()
			if _, seen := leaving[h]; !seen && draining[h.port] {
				leaving[h] = answers
			}
			over = over && broken != nil
		}
		return over
	})
	for _, h := range all {
		answers, _ := h.state()
		if before, seen := leaving[h]; !seen || answers <= before {
			t.Errorf("a connection to port %s did not last while its target was deregistered: it had %d answers by then (%v), %d in the end", h.port, before, seen, answers)
		}
	}
	b.settled(n)
	clients.Wait()
	for _, h := range all {
		_, broken := h.state()
		var network net.Error
		if !errors.Is(broken, io.EOF) && !errors.Is(broken, io.ErrUnexpectedEOF) && !errors.As(broken, &network) {
			t.Errorf("a connection ended by %v", broken)
		}
	}
	l.forget()
	eventually(t, "all new tasks get connections", func() bool { return len(l.reached()) == n })
	b.scale(n + 2)
	b.scale(2)
	b.stopOne(2)
	l.report()
}

// draining are the ports of the targets that are being deregistered.
func (b *balanced) draining() map[string]bool {
	b.t.Helper()
	out, err := b.elb.DescribeTargetHealth(b.t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &b.group})
	b.must(err)
	ports := map[string]bool{}
	for _, d := range out.TargetHealthDescriptions {
		if d.TargetHealth.State == elbtypes.TargetHealthStateEnumDraining {
			ports[strconv.Itoa(int(*d.Target.Port))] = true
		}
	}
	return ports
}
