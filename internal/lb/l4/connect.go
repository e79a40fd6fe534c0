package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/proxyproto"
	"github.com/maitred/maitred/internal/model"
)

const (
	// attemptsMax is how many targets are tried for a connection.
	attemptsMax = 4
	// attemptShare of the time to connect is what one target may take of it, while there are others.
	attemptShare = 3
)

// errTargetTLS says that a target took the connection and no TLS came of it.
var errTargetTLS = errors.New("negotiate TLS with the target")

// connect finds a target that takes the connection. Nothing that the client sent is lost with a target that does not.
func (c *conn) connect(table *routing.Table) (stream, End) {
	s := c.server
	nonce := s.cfg.Random()
	chosen := chooseGroup(c.listener, c.flow(), nonce)
	if !chosen.group.Awake() {
		if table = c.park(chosen.group.Record, nonce); table == nil {
			return nil, EndNoTarget
		}
		chosen = chooseGroup(c.listener, c.flow(), nonce)
	}
	ctx, cancel := c.connectContext()
	defer cancel()
	end := EndNoTarget
	for attempt := 0; attempt < attemptsMax && ctx.Err() == nil; {
		t := chosen.next()
		if t == nil {
			break
		}
		f := s.cfg.Flights.Target(t.Path)
		if !f.Begin() {
			continue
		}
		attempt++
		target, err := c.open(ctx, t, chosen.group, len(chosen.group.Eligible) > 1)
		if err == nil {
			c.way = &passage{table: table, group: chosen.group, target: t, flight: f, cut: c.cut}
			return target, ""
		}
		f.End()
		end = s.blame(t, err)
	}
	return nil, end
}

// blame says what a failure to connect means, and tells of a target that is the reason.
func (s *Server) blame(t *routing.Target, err error) End {
	s.cfg.Log.Debug("a target does not take a connection", "target", t.Path, "error", err)
	if errors.Is(err, errTargetTLS) {
		return EndTargetTLS
	}
	if !ours(err) {
		s.cfg.Refused(t.Path)
	}
	return EndUnreachable
}

// ours says that a connection failed for a reason that says nothing of the target.
func ours(err error) bool {
	for _, e := range []error{
		context.Canceled, net.ErrClosed, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL,
		syscall.EAGAIN, syscall.EPERM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (c *conn) flow() flow {
	return flow{client: addrOf(c.raw.RemoteAddr()), to: addrOf(c.raw.LocalAddr()), protocol: protocolTCP}
}

// open connects to a target, says whose connection it is, and negotiates TLS where the group has it.
func (c *conn) open(ctx context.Context, t *routing.Target, g *routing.Group, others bool) (stream, error) {
	dialCtx, cancel := ctx, context.CancelFunc(func() {})
	if others {
		dialCtx, cancel = context.WithTimeout(ctx, c.server.cfg.ConnectTimeout/attemptShare)
	}
	defer cancel()
	raw, err := dialTCP(dialCtx, t.Record)
	if err != nil {
		return nil, err
	}
	if !c.reach(raw) {
		return nil, net.ErrClosed
	}
	target, err := c.greet(ctx, raw, g)
	if err != nil {
		reset(raw)
		return nil, err
	}
	return target, nil
}

func addressOf(t *model.Target) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(t.Address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("the address of the target: %w", err)
	}
	return netip.AddrPortFrom(ip, uint16(t.Port)), nil //nolint:gosec // a port is below 65536
}

func dialTCP(ctx context.Context, t *model.Target) (*net.TCPConn, error) {
	to, err := addressOf(t)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAlive: -1} // idle connections are found without probes
	return d.DialTCP(ctx, "tcp", netip.AddrPort{}, to)
}

// greet sends what comes before the client's bytes.
func (c *conn) greet(ctx context.Context, raw *net.TCPConn, g *routing.Group) (stream, error) {
	if g.Settings.ProxyProtocol {
		f := c.flow()
		if _, err := raw.Write(proxyproto.AppendStream(make([]byte, 0, proxyproto.Max), f.client, f.to)); err != nil {
			return nil, err
		}
	}
	if c.listener.Record.Protocol == "TLS" {
		keepAlive(raw)
	}
	if g.Record.Protocol != "TLS" || c.listener.Record.Protocol != "TLS" {
		return raw, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secured := tls.Client(raw, c.targetTLS())
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errTargetTLS, err)
	}
	return secured, nil
}

// keepAliveEvery is how often probes are sent on connections of TLS listeners ("Connection idle timeout").
const keepAliveEvery = 20 * time.Second

func keepAlive(raw net.Conn) {
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAliveEvery, Interval: keepAliveEvery}) // at worst a dead peer is found later
	}
}
