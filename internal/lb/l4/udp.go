package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/proxyproto"
)

// datagramMax is the largest datagram.
const datagramMax = 64 << 10

// flowIdle is how long a flow of UDP is remembered after the last datagram, either way ("Connection idle timeout").
const flowIdle = 120 * time.Second

// answerGrace is how long answers are still passed on after the end of ServeUDP, when ctx of Shutdown allows it.
const answerGrace = time.Second

// PacketConn is what ServeUDP needs of its socket; *net.UDPConn has it.
type PacketConn interface {
	net.PacketConn
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
}

// ServeUDP passes datagrams on until ctx ends, Shutdown is called (both: nil) or the socket fails, and closes the socket
// once the flows have ended. It may be called for several sockets.
func (s *Server) ServeUDP(ctx context.Context, socket net.PacketConn) error {
	p, ok := socket.(PacketConn)
	if !ok {
		return fmt.Errorf("serve datagrams of %s: the socket is a %T, which has no addresses of UDP", s.cfg.ARN, socket)
	}
	defer func() { _ = p.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, ok := s.serving(cancel)
	if !ok {
		return nil
	}
	defer done()
	f := &flows{server: s, socket: p, to: addrOf(p.LocalAddr()), all: map[netip.AddrPort]*udpFlow{}, dial: dialUDP}
	return f.serve(ctx)
}

// serve runs the flows of one socket.
func (f *flows) serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = f.socket.SetReadDeadline(time.Unix(1, 0)) })()
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	f.running.Go(func() { f.sweep(sweeping) })
	err := f.read(ctx)
	f.settle()
	f.closeAll(EndShutdown)
	stop()
	f.running.Wait()
	return err
}

// settle leaves a moment for the answers to what was just passed on.
func (f *flows) settle() {
	if f.count() == 0 {
		return
	}
	timer := time.NewTimer(answerGrace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.server.life.Done():
	}
}

// read takes datagrams until ctx ends.
func (f *flows) read(ctx context.Context) error {
	buf := make([]byte, datagramMax)
	for wait := time.Duration(0); ; {
		n, client, err := f.socket.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			wait = 0
			f.take(ctx, buf[:n], netip.AddrPortFrom(client.Addr().Unmap(), client.Port()))
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return nil //nolint:nilerr // the end that was asked for is no failure
		case !passing(err) && !fromPeer(err):
			return fmt.Errorf("receive datagrams of %s: %w", f.server.cfg.ARN, err)
		default:
			wait = min(max(2*wait, acceptPauseShortest), acceptPauseLongest)
			if !f.server.pause(ctx, wait) {
				return nil
			}
		}
	}
}

// fromPeer says that an error came by ICMP: somebody did not want a datagram.
func fromPeer(err error) bool {
	for _, e := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// take passes one datagram on, in the flow that it belongs to. Where that has just broken, another one begins.
func (f *flows) take(ctx context.Context, payload []byte, client netip.AddrPort) {
	var broken []*routing.Target
	for range attemptsMax {
		u := f.find(client)
		if u == nil {
			u = f.open(ctx, client, broken)
		}
		if u == nil {
			return
		}
		err := u.send(payload)
		if err == nil || errors.Is(err, syscall.EMSGSIZE) { // which is lost, as it is on any way that is too narrow
			return
		}
		f.forget(u)
		if u.broke(err); !errors.Is(err, net.ErrClosed) {
			broken = append(broken, u.way.target)
		}
	}
}

func (u *udpFlow) send(payload []byte) error {
	f := u.flows
	u.last.Store(f.server.cfg.Now().UnixNano())
	datagram := payload
	if u.way.group.Settings.ProxyProtocol {
		datagram = proxyproto.AppendDatagram(make([]byte, 0, proxyproto.Max+len(payload)), u.client, f.to)
		datagram = append(datagram, payload...)
	}
	_, err := u.out.Write(datagram)
	if err == nil {
		u.fromClient.Add(int64(len(payload)))
	}
	return err
}

// open begins a flow, with none of the targets that have just failed; nil if no target takes it, if there are too many, or
// if the client may not begin one.
func (f *flows) open(ctx context.Context, client netip.AddrPort, failed []*routing.Target) *udpFlow {
	s := f.server
	if !s.cfg.Admit(net.UDPAddrFromAddrPort(client), net.UDPAddrFromAddrPort(f.to)) {
		f.reject(client, EndBlocked)
		return nil
	}
	if !f.room() {
		f.reject(client, EndRejected)
		return nil
	}
	table := s.cfg.Table()
	var l *routing.Listener
	if table != nil {
		l = table.Listeners[s.cfg.ARN]
	}
	chosen := chooseGroup(l, flow{client: client, to: f.to, protocol: protocolUDP}, 0)
	chosen.tried = failed
	end := EndNoTarget
	for t := chosen.next(); t != nil && len(chosen.tried) <= attemptsMax; t = chosen.next() {
		flying := s.cfg.Flights.Target(t.Path)
		if !flying.Begin() {
			continue
		}
		out, err := f.dial(ctx, t.Record)
		if err == nil {
			return f.add(client, l, out, &passage{table: table, group: chosen.group, target: t, flight: flying})
		}
		flying.End()
		end = s.blame(t, err)
	}
	f.reject(client, end)
	return nil
}

func (f *flows) reject(client netip.AddrPort, end End) {
	f.server.cfg.Observe(Sample{
		Listener: f.server.cfg.ARN, Protocol: "UDP", Client: client, At: f.server.cfg.Now(), End: end,
	})
}
