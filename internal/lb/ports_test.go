package lb

import (
	"context"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestBroken has a listener that is not served any more told of, and opened again.
func TestBroken(t *testing.T) {
	t.Parallel()
	backend := mem.New(mem.Options{})
	s, err := store.Open(t.Context(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := New(Config{Store: s, ID: "b", Random: func() uint64 { return 0 }, Secret: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	const arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/web/0123456789abcdef/fedcba9876543210"
	table := func(port int) *routing.Table {
		return routing.Compile(nil, routing.Input{
			LoadBalancers: slices.Values([]*model.LoadBalancer{{ARN: "lb", Type: model.Application, Address: "127.0.0.1"}}),
			Listeners:     slices.Values([]*model.Listener{{ARN: arn, LoadBalancer: "lb", Protocol: "HTTP", Port: port}}),
			Rules:         s.View().Rules, Group: s.View().TargetGroup, Targets: s.View().Targets,
			Health: func(string) routing.Health { return routing.Health{} },
		})
	}
	p := newPorts(b)
	p.settle(t.Context(), table(0))
	opened := p.open[arn]
	if opened == nil {
		t.Fatalf("nothing is open: %v", p.failed)
	}
	_ = opened.streams[0].Close() // behind its server's back
	<-b.inbox.c
	_, lost, _ := b.inbox.take()
	if len(lost) != 1 || lost[0].of != opened {
		t.Fatalf("lost are %+v", lost)
	}
	p.lose(t.Context(), lost[0])
	if p.failed[arn] == "" || len(p.open) > 0 || len(p.sockets) > 0 {
		t.Errorf("after the loss: %v failed, %v open, %v sockets", p.failed, p.open, p.sockets)
	}
	p.settle(t.Context(), table(0))
	if p.failed[arn] != "" || p.open[arn] == nil || p.open[arn] == opened {
		t.Fatalf("it is not served again: %v", p.failed)
	}
	get(t, p.open[arn].streams[0].Addr().String())
	p.lose(t.Context(), lost[0]) // old news
	if p.open[arn] == nil {
		t.Error("the end of one server ends the next one")
	}
	p.end(t.Context())
	p.ending.Wait()
}

func get(t *testing.T, address string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// TestSameSocket has one server follow another at one address, in between of which the socket goes on listening.
func TestSameSocket(t *testing.T) {
	t.Parallel()
	s, err := openSocket(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.listener()
	if err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: 1 << 30}
	second, err := s.listener()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		_ = server.Serve(second)
	}()
	get(t, address)
	_ = server.Close()
	<-done
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if again, err := openSocket(t.Context(), "tcp", address); err != nil {
		t.Errorf("after the end %s cannot be listened at: %v", address, err)
	} else if err := again.close(); err != nil {
		t.Error(err)
	}
}

// TestSameDatagrams is the same for datagrams: what comes while nobody receives is there for the next one.
func TestSameDatagrams(t *testing.T) {
	t.Parallel()
	s, err := openSocket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	first, err := s.datagrams()
	if err != nil {
		t.Fatal(err)
	}
	address := first.LocalAddr().String()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	second, err := s.datagrams()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if _, ok := second.(l4.PacketConn); !ok {
		t.Errorf("a %T cannot be served", second)
	}
	got := make([]byte, 10)
	if n, _, err := second.ReadFrom(got); err != nil || string(got[:n]) != "hello" {
		t.Errorf("the next one gets %q, %v", got[:n], err)
	}
}
