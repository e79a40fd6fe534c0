package lb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/model"
)

// ports are the sockets that listeners have, and the servers behind them.
type ports struct {
	*Balancer
	open   map[string]*port  // by ARN of the listener
	failed map[string]string // listeners that cannot be served, and why
	ending sync.WaitGroup    // servers that let their last requests end
}

// port is a listener that is served.
type port struct {
	address, protocol string
	apply             func(*routing.Table)        // nil: it looks at the table by itself
	shutdown          func(context.Context) error // lets requests end until ctx does
	serving           sync.WaitGroup
}

func newPorts(b *Balancer) *ports {
	return &ports{Balancer: b, open: map[string]*port{}, failed: map[string]string{}}
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
	for _, arn := range slices.Sorted(maps.Keys(t.Listeners)) {
		if p.open[arn] != nil {
			continue
		}
		opened, err := p.start(ctx, t.Listeners[arn])
		if err != nil {
			if p.failed[arn] != err.Error() {
				p.config.Log.Error("a listener cannot be served", "listener", arn, "error", err)
			}
			p.failed[arn] = err.Error()
			continue
		}
		p.open[arn] = opened
		delete(p.failed, arn)
	}
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

// close takes no more connections for a listener, and does not wait for those that there are.
func (p *ports) close(ctx context.Context, arn string) {
	o := p.open[arn]
	delete(p.open, arn)
	p.ending.Go(func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.Grace)
		defer cancel()
		o.stop(grace, p, arn)
	})
}

// end closes all ports, and waits until the last requests have ended, or ctx: then they are cut.
func (p *ports) end(ctx context.Context) error {
	for _, arn := range slices.Sorted(maps.Keys(p.open)) {
		o := p.open[arn]
		p.ending.Go(func() { o.stop(ctx, p, arn) })
	}
	p.ending.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("requests were cut that had not ended: %w", err)
	}
	return nil
}

func (o *port) stop(ctx context.Context, p *ports, arn string) {
	if err := o.shutdown(ctx); err != nil {
		p.config.Log.Warn("connections of a listener were cut", "listener", arn, "error", err)
	}
	o.serving.Wait()
}

// start opens the sockets of a listener and serves them.
func (p *ports) start(ctx context.Context, l *routing.Listener) (*port, error) {
	o := &port{address: address(l), protocol: l.Record.Protocol}
	if l.LoadBalancer.Type == model.Application {
		return o, p.startHTTP(ctx, l, o)
	}
	return o, p.startFlows(ctx, l, o)
}

func (p *ports) startHTTP(ctx context.Context, l *routing.Listener, o *port) error {
	config := l7.Config{
		ARN: l.Record.ARN, Table: p.Table, Flights: p.flights, AccessLog: p.config.AccessLog, Refused: p.prober.Suspect,
		Observe: p.config.ObserveHTTP, Secret: p.config.Secret, Now: p.config.Now, Random: p.config.Random, Log: p.config.Log,
		CertificateARN: p.config.CertificateARN,
	}
	if l.Record.Protocol == "HTTPS" {
		config.Certificate = p.certificate(l.Record.ARN)
	}
	server, err := l7.New(config)
	if err != nil {
		return fmt.Errorf("make the server of %s: %w", l.Record.ARN, err)
	}
	socket, err := listen(ctx, o.address)
	if err != nil {
		return err
	}
	o.shutdown = server.Shutdown
	p.serve(ctx, o, l.Record.ARN, func(ctx context.Context) error { return server.Serve(ctx, socket) })
	return nil
}

func (p *ports) startFlows(ctx context.Context, l *routing.Listener, o *port) error {
	config := l4.Config{
		ARN: l.Record.ARN, Table: p.Table, Flights: p.flights, Refused: p.prober.Suspect, Observe: p.config.ObserveFlow,
		Now: p.config.Now, Random: p.config.Random, Log: p.config.Log,
	}
	if l.Record.Protocol == "TLS" {
		config.Certificate = p.certificate(l.Record.ARN)
	}
	server := l4.New(config)
	o.apply = server.Apply
	o.shutdown = func(ctx context.Context) error {
		server.Shutdown(ctx)
		return nil
	}
	var stream net.Listener
	if l.Record.Protocol != "UDP" {
		socket, err := listen(ctx, o.address)
		if err != nil {
			return err
		}
		stream = socket
	}
	if l.Record.Protocol == "UDP" || l.Record.Protocol == "TCP_UDP" {
		var config net.ListenConfig
		packets, err := config.ListenPacket(ctx, "udp", o.address)
		if err != nil {
			if stream != nil {
				err = errors.Join(err, stream.Close())
			}
			return err
		}
		p.serve(ctx, o, l.Record.ARN, func(ctx context.Context) error { return server.ServeUDP(ctx, packets) })
	}
	if stream != nil {
		p.serve(ctx, o, l.Record.ARN, func(ctx context.Context) error { return server.ServeTCP(ctx, stream) })
	}
	return nil
}

// serve runs a server until it is shut down. It outlives ctx, which ends before requests do.
func (p *ports) serve(ctx context.Context, o *port, arn string, run func(context.Context) error) {
	o.serving.Go(func() {
		if err := run(context.WithoutCancel(ctx)); err != nil {
			p.config.Log.Error("a listener is not served any more", "listener", arn, "error", err)
		}
	})
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1} // idle connections are found without probes
	return config.Listen(ctx, "tcp", address)
}

// certificate chooses the certificate of a connection by the listener as it is then.
func (p *ports) certificate(arn string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		l := p.Table().Listeners[arn]
		if l == nil || p.config.Certificate == nil {
			return nil, errors.New("there is no certificate")
		}
		return p.config.Certificate(l.Record, hello)
	}
}
