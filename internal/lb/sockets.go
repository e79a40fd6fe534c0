package lb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// socket is an address at which the balancer listens. Servers get copies of it that they may close: the socket goes on
// listening when one server follows another, and no client is turned away in between.
type socket struct {
	network, address string // tcp or udp
	file             *os.File
	stream           net.Listener   // as it was opened, until somebody takes it
	packets          net.PacketConn // the same of udp
}

// openSocket begins to listen.
func openSocket(ctx context.Context, network, address string) (*socket, error) {
	s := &socket{network: network, address: address}
	config := net.ListenConfig{KeepAlive: -1} // idle connections are found without probes
	var err error
	if network == "udp" {
		s.packets, err = config.ListenPacket(ctx, network, address)
	} else {
		s.stream, err = config.Listen(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	var raw any = s.stream
	if s.packets != nil {
		raw = s.packets
	}
	c, ok := raw.(syscall.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a %T has no descriptor", raw), s.close())
	}
	if s.file, err = duplicate(c); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// duplicate gives another descriptor of the same socket. Those that package net gives are set to block when somebody looks
// at them, and with them all others of the socket.
func duplicate(c syscall.Conn) (*os.File, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("duplicate a socket: %w", err)
	}
	var fd int
	var failed error
	err = raw.Control(func(original uintptr) {
		syscall.ForkLock.RLock() // no child inherits it
		defer syscall.ForkLock.RUnlock()
		if fd, failed = syscall.Dup(int(original)); failed == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("duplicate a socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// listener gives a copy that accepts connections.
func (s *socket) listener() (net.Listener, error) {
	if l := s.stream; l != nil {
		s.stream = nil
		return l, nil
	}
	l, err := net.FileListener(s.file)
	if err != nil {
		return nil, fmt.Errorf("listen at %s again: %w", s.address, err)
	}
	return quiet{l}, nil
}

// datagrams gives a copy that receives datagrams.
func (s *socket) datagrams() (net.PacketConn, error) {
	if p := s.packets; p != nil {
		s.packets = nil
		return p, nil
	}
	p, err := net.FilePacketConn(s.file)
	if err != nil {
		return nil, fmt.Errorf("receive at %s again: %w", s.address, err)
	}
	return p, nil
}

func (s *socket) close() error {
	var errs []error
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	if s.stream != nil {
		errs = append(errs, s.stream.Close())
	}
	if s.packets != nil {
		errs = append(errs, s.packets.Close())
	}
	return errors.Join(errs...)
}

// quiet is a listener without keep-alive probes, which copies of sockets otherwise have.
type quiet struct{ net.Listener }

// Accept implements net.Listener.
func (q quiet) Accept() (net.Conn, error) {
	c, err := q.Listener.Accept()
	if t, ok := c.(*net.TCPConn); ok && err == nil {
		_ = t.SetKeepAlive(false) // it only costs probes
	}
	return c, err
}
