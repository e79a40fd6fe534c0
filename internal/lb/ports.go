package lb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/model"
)

// ports are the sockets that listeners have, and the servers behind them. All of it belongs to the loop.
type ports struct {
	*Balancer
	sockets map[place]*socket
	open    map[string]*port  // by ARN of the listener
	failed  map[string]string // listeners that cannot be served, and why
	ending  sync.WaitGroup    // servers that let their last requests end
}

// place is where a socket is.
type place struct{ network, address string }

// port is a listener that is served.
type port struct {
	arn, address, protocol string
	streams                []net.Listener
	apply                  func(*routing.Table)        // nil: it looks at the table by itself
	shutdown               func(context.Context) error // lets requests end until ctx does
	stopping               atomic.Bool
	accepting, serving     sync.WaitGroup
}

func newPorts(b *Balancer) *ports {
	return &ports{Balancer: b, sockets: map[place]*socket{}, open: map[string]*port{}, failed: map[string]string{}}
}

// settle opens the ports of new listeners and closes those of old ones.
func (p *ports) settle(ctx context.Context, t *routing.Table) {
	for _, arn := range slices.Sorted(maps.Keys(p.open)) {
		if l := t.Listeners[arn]; l == nil || p.open[arn].address != address(l) || p.open[arn].protocol != l.Record.Protocol {
			p.close(ctx, arn)
		}
	}
	for arn := range p.failed {
		if t.Listeners[arn] == nil {
			delete(p.failed, arn)
		}
	}
	p.release(t)
	for _, arn := range slices.Sorted(maps.Keys(t.Listeners)) {
		if p.open[arn] != nil {
			continue
		}
		opened, err := p.start(ctx, t.Listeners[arn])
		if err != nil {
			p.fail(arn, err)
			continue
		}
		p.open[arn] = opened
		delete(p.failed, arn)
	}
}

// fail notes why a listener cannot be served.
func (p *ports) fail(arn string, err error) {
	if p.failed[arn] != err.Error() {
		p.config.Log.Error("a listener cannot be served", "listener", arn, "error", err)
	}
	p.failed[arn] = err.Error()
}

// lose takes note that a listener is not served any more. It is opened again with those that cannot be opened.
func (p *ports) lose(ctx context.Context, x loss) {
	if p.open[x.arn] != x.of {
		return
	}
	p.close(ctx, x.arn)
	p.fail(x.arn, x.err)
	p.discard(x.of) // it may be what is broken
}

// apply tells servers of a new table that do not look at it for each request.
func (p *ports) apply(t *routing.Table) {
	for _, o := range p.open {
		if o.apply != nil {
			o.apply(t)
		}
	}
}

func address(l *routing.Listener) string {
	return net.JoinHostPort(l.LoadBalancer.Address, strconv.Itoa(l.Record.Port))
}

// places are where a listener listens.
func places(address, protocol string) []place {
	switch protocol {
	case "UDP":
		return []place{{"udp", address}}
	case "TCP_UDP":
		return []place{{"tcp", address}, {"udp", address}}
	}
	return []place{{"tcp", address}}
}

// release closes the sockets that no listener of a table has.
func (p *ports) release(t *routing.Table) {
	wanted := map[place]bool{}
	for _, l := range t.Listeners {
		for _, at := range places(address(l), l.Record.Protocol) {
			wanted[at] = true
		}
	}
	for at := range p.sockets {
		if !wanted[at] {
			p.shut(at)
		}
	}
}

func (p *ports) discard(o *port) {
	for _, at := range places(o.address, o.protocol) {
		p.shut(at)
	}
}

func (p *ports) shut(at place) {
	s := p.sockets[at]
	if s == nil {
		return
	}
	delete(p.sockets, at)
	if err := s.close(); err != nil {
		p.config.Log.Warn("a socket could not be closed", "address", at.address, "error", err)
	}
}

// close takes no more connections for a listener, and does not wait for those that there are.
func (p *ports) close(ctx context.Context, arn string) {
	o := p.open[arn]
	delete(p.open, arn)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.Grace)
	o.quit()
	p.ending.Go(func() {
		defer cancel()
		o.end(grace, p.Balancer)
	})
}

// end closes all ports; ending waits until the last requests have ended, or ctx: then they are cut.
func (p *ports) end(ctx context.Context) {
	for _, o := range p.open {
		o.quit()
		p.ending.Go(func() { o.end(ctx, p.Balancer) })
	}
	for at := range p.sockets {
		p.shut(at)
	}
}

// quit has a port accept no more connections. When it returns, those that it did accept are known to its server.
func (o *port) quit() {
	o.stopping.Store(true)
	for _, s := range o.streams {
		_ = s.Close() // a server that has ended has closed it before
	}
	o.accepting.Wait()
}

// end lets requests end, until ctx does.
func (o *port) end(ctx context.Context, b *Balancer) {
	if err := o.shutdown(ctx); err != nil {
		b.config.Log.Warn("connections of a listener were cut", "listener", o.arn, "error", err)
	}
	o.serving.Wait()
	b.census.leave(o)
}

// start opens the sockets of a listener and serves them.
func (p *ports) start(ctx context.Context, l *routing.Listener) (*port, error) {
	o := &port{arn: l.Record.ARN, address: address(l), protocol: l.Record.Protocol}
	var streams []net.Listener
	var packets []net.PacketConn
	fail := func(err error) (*port, error) {
		for _, s := range streams {
			err = errors.Join(err, s.Close())
		}
		return nil, err
	}
	for _, at := range places(o.address, o.protocol) {
		stream, datagrams, err := p.listen(ctx, at)
		switch {
		case err != nil:
			return fail(err)
		case stream != nil:
			streams = append(streams, stream)
		default:
			packets = append(packets, datagrams)
		}
	}
	if l.LoadBalancer.Type == model.Application {
		server, err := p.http(l)
		if err != nil {
			return fail(err)
		}
		o.shutdown = server.Shutdown
		p.census.enter(o, server)
		p.accept(ctx, o, streams, server.Serve)
		return o, nil
	}
	server := p.flows(l)
	o.apply = server.Apply
	o.shutdown = func(ctx context.Context) error {
		server.Shutdown(ctx)
		return nil
	}
	p.accept(ctx, o, streams, server.ServeTCP)
	for _, s := range packets {
		p.serve(ctx, o, func(ctx context.Context) error { return server.ServeUDP(ctx, s) })
	}
	return o, nil
}

// listen gives a copy of the socket at a place, which is opened if nobody has listened there.
func (p *ports) listen(ctx context.Context, at place) (net.Listener, net.PacketConn, error) {
	s := p.sockets[at]
	if s == nil {
		var err error
		if s, err = openSocket(ctx, at.network, at.address); err != nil {
			return nil, nil, err
		}
		p.sockets[at] = s
	}
	if at.network == "udp" {
		c, err := s.datagrams()
		return nil, c, err
	}
	l, err := s.listener()
	return l, nil, err
}

func (p *ports) http(l *routing.Listener) (*l7.Server, error) {
	config := l7.Config{
		ARN: l.Record.ARN, Table: p.Table, Flights: p.flights, Refused: p.prober.Suspect, Observe: p.observeHTTP(),
		Secret: p.config.Secret, Now: p.config.Now, Random: p.config.Random, Log: p.config.Log, Challenge: p.answer,
		Admit: p.admits(l.Record.ARN),
	}
	if p.config.AccessLog != nil {
		config.AccessLog = &accessLog{p.config.AccessLog, p.Balancer, l.Record.ARN}
	}
	if l.Record.Protocol == "HTTPS" {
		config.Certificate, config.Prove = p.certificate(l.Record.ARN), p.prove
		if p.config.Certificates != nil {
			config.CertificateARN = p.config.Certificates.ARN
		}
	}
	config.Parked = p.parked
	server, err := l7.New(config)
	if err != nil {
		return nil, fmt.Errorf("make the server of %s: %w", l.Record.ARN, err)
	}
	return server, nil
}

func (p *ports) flows(l *routing.Listener) *l4.Server {
	config := l4.Config{
		ARN: l.Record.ARN, Table: p.Table, Flights: p.flights, Refused: p.prober.Suspect, Observe: p.observeFlow(),
		Now: p.config.Now, Random: p.config.Random, Log: p.config.Log, Admit: p.admits(l.Record.ARN), Parked: p.parked,
	}
	if l.Record.Protocol == "TLS" {
		config.Certificate, config.Prove = p.certificate(l.Record.ARN), p.prove
	}
	return l4.New(config)
}

// accept serves sockets that connections come from.
func (p *ports) accept(ctx context.Context, o *port, streams []net.Listener, serve func(context.Context, net.Listener) error) {
	o.streams = streams
	for _, s := range streams {
		o.accepting.Add(1)
		p.serve(ctx, o, func(ctx context.Context) error {
			defer o.accepting.Done()
			return serve(ctx, s)
		})
	}
}

// errEnded is why a listener is not served whose server has ended without being asked to.
var errEnded = errors.New("its server has ended")

// serve runs a server until it is shut down. It outlives ctx, which ends before requests do. The loop is told of one that
// ends before.
func (p *ports) serve(ctx context.Context, o *port, run func(context.Context) error) {
	o.serving.Go(func() {
		err := run(context.WithoutCancel(ctx))
		if o.stopping.Load() {
			return
		}
		if err == nil {
			err = errEnded
		}
		p.inbox.lose(loss{o.arn, o, err})
	})
}
