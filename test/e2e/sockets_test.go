package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/coder/websocket"
)

// sockets are clients with a WebSocket each, through which they send a message every few milliseconds and wait for its echo.
// A connection may be cut when the deregistration delay of its target is over, and not before. Then they open another one,
// which must not fail.
type sockets struct {
	l      *load
	b      *balanced
	delay  time.Duration
	said   atomic.Int64 // messages that came back
	opened atomic.Int64
	cut    atomic.Int64 // connections, in due time
	turn   atomic.Int64 // of renew
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex
	drain  map[string][]drain // of each port, again and again
	last   map[string]string  // states
	looked time.Time          // when the last look began that was answered
	broken []broken
}

// drain is when a target began to be drained: between two looks.
type drain struct{ after, by time.Time }

// broken is a connection that ended though nobody wanted it to.
type broken struct {
	port      string
	began, at time.Time
	err       error
}

// watchEvery is the time between two looks at the states of targets. What is measured by them may be wrong by as much, and
// by what a look takes; on a busy machine that is long, and then it is not told that something was too early.
const (
	watchEvery = 20 * time.Millisecond
	watchTakes = 15 * time.Second       // at most
	watchSlack = 500 * time.Millisecond // by which the server's view may be behind
)

// openSockets begins with some clients, whose failures are the load's.
func openSockets(l *load, b *balanced, clients int) *sockets {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sockets{l: l, b: b, delay: lossDelay, stop: cancel, drain: map[string][]drain{}, last: map[string]string{}}
	s.work.Go(func() { s.watch(ctx) })
	for range clients {
		s.work.Go(func() {
			for ctx.Err() == nil {
				s.life(ctx)
			}
		})
	}
	l.t.Cleanup(s.end)
	return s
}

// end ends all clients.
func (s *sockets) end() {
	s.stop()
	s.work.Wait()
}

// report ends all clients and tells what they did.
func (s *sockets) report() {
	s.end()
	s.look(context.Background())
	for _, b := range s.broken {
		if s.due(b) {
			s.cut.Add(1)
			continue
		}
		s.lose(b.began, fmt.Errorf("to port %s, after %v, before the deregistration delay was over: %w", b.port, b.at.Sub(b.began), b.err))
	}
	s.l.t.Logf("%d messages through %d WebSockets, of which %d were cut when the deregistration delay was over", s.said.Load(), s.opened.Load(), s.cut.Load())
}

func (s *sockets) messages() int64 { return s.said.Load() }

// renew has all clients open other connections.
func (s *sockets) renew() { s.turn.Add(1) }

// watch notes when targets begin to be drained. One that is gone was drained since the last look.
func (s *sockets) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.look(ctx)
	}
}

func (s *sockets) look(ctx context.Context) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, watchTakes)
	defer cancel()
	out, err := s.b.server().DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &s.b.group})
	if err != nil {
		return // the server is dead, and nothing new is drained
	}
	states := map[string]string{}
	for _, d := range out.TargetHealthDescriptions {
		states[strconv.Itoa(int(aws.ToInt32(d.Target.Port)))] = string(d.TargetHealth.State)
	}
	s.note(began, states)
}

const draining = "draining"

// note takes up what a look saw that began at a time.
func (s *sockets) note(began time.Time, states map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for port, before := range s.last {
		if _, there := states[port]; !there && before != draining {
			s.drain[port] = append(s.drain[port], drain{s.looked, time.Now()})
		}
	}
	for port, now := range states {
		if now == draining && s.last[port] != draining {
			s.drain[port] = append(s.drain[port], drain{s.looked, time.Now()})
		}
	}
	s.last, s.looked = states, began
}

// life is one connection, from the beginning to the end.
func (s *sockets) life(ctx context.Context) {
	began, turn := time.Now(), s.turn.Load()
	dial, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, answer, err := websocket.Dial(dial, strings.Replace(s.l.url, "http", "ws", 1)+"/ws", nil) //nolint:bodyclose // there is none
	if err != nil {
		s.lose(began, fmt.Errorf("open it: %w", err))
		return
	}
	defer func() { _ = c.CloseNow() }()
	s.opened.Add(1)
	err = s.talk(ctx, c, turn)
	if err == nil || ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = append(s.broken, broken{answer.Header.Get("X-Port"), began, time.Now(), err})
}

// talk sends messages until the connection fails, or another one is wanted: then it says goodbye.
func (s *sockets) talk(ctx context.Context, c *websocket.Conn, turn int64) error {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if s.turn.Load() != turn {
			return c.Close(websocket.StatusNormalClosure, "")
		}
		if err := say(c, strconv.Itoa(n)); err != nil {
			return err
		}
		s.said.Add(1)
	}
}

// say sends a message and waits for its echo.
func say(c *websocket.Conn, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	_, got, err := c.Read(ctx)
	if err == nil && string(got) != text {
		err = fmt.Errorf("%w: %q came back for %q", errWrongEcho, got, text)
	}
	return err
}

var errWrongEcho = errors.New("it is no echo")

// due says whether the deregistration delay of its target may have been over when a connection broke.
func (s *sockets) due(b broken) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.drain[b.port], func(d drain) bool {
		return d.by.After(b.began) && b.at.Sub(d.after) >= s.delay-watchSlack
	})
}

func (s *sockets) lose(began time.Time, err error) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.l.failed = append(s.l.failed, failure{"WebSocket", began, err})
}
