package l4_test

import (
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/maitred/maitred/internal/lb/l4"
)

// Each benchmark measures the balancer and, beside it in the same run, a bare loop of io.Copy between two connections,
// which is splice(2), and the backend without anything between.

func BenchmarkBulk(b *testing.B) {
	const size = 64 << 20
	target := backend(b, func(c *net.TCPConn) {
		piece := make([]byte, 256<<10)
		if _, err := io.ReadFull(c, piece[:1]); err != nil {
			return
		}
		for range size / len(piece) {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	})
	between(b, target, func(b *testing.B, address string) {
		b.SetBytes(size)
		buf := make([]byte, 256<<10)
		for b.Loop() {
			c := dial(b, address)
			_, _ = c.Write([]byte{1})
			n := 0
			for n < size {
				m, err := c.Read(buf)
				if err != nil {
					b.Fatal(err)
				}
				n += m
			}
			_ = c.Close()
		}
	})
}

// BenchmarkMessages sends 128 bytes and gets 1,024 back, on 16 connections that stay.
func BenchmarkMessages(b *testing.B) {
	between(b, answering(b), func(b *testing.B, address string) {
		b.SetParallelism((16 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
		b.RunParallel(func(pb *testing.PB) {
			c := dial(b, address)
			defer func() { _ = c.Close() }()
			for pb.Next() {
				question(b, c)
			}
		})
	})
}

// BenchmarkConnections opens a connection for each message.
func BenchmarkConnections(b *testing.B) {
	between(b, answering(b), func(b *testing.B, address string) {
		for b.Loop() {
			c := dial(b, address)
			question(b, c)
			_ = c.SetLinger(0) // or ports run out
			_ = c.Close()
		}
	})
}

func answering(b *testing.B) string {
	return backend(b, func(c *net.TCPConn) {
		in, out := make([]byte, 128), make([]byte, 1024)
		for {
			if _, err := io.ReadFull(c, in); err != nil {
				return
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	})
}

func question(b *testing.B, c *net.TCPConn) {
	var buf [1024]byte
	_, err := c.Write(buf[:128])
	if err == nil {
		_, err = io.ReadFull(c, buf[:])
	}
	if err != nil {
		b.Error(err)
	}
}

// between measures do through the balancer, through a bare loop, and directly. cpu-µs/op is the processor time of all that
// takes part, clients and backends too.
func between(b *testing.B, target string, do func(*testing.B, string)) {
	b.Run("balancer", func(b *testing.B) { withCPU(b, balancer(b, target), do) })
	b.Run("bare", func(b *testing.B) { withCPU(b, bare(b, target), do) })
	b.Run("direct", func(b *testing.B) { withCPU(b, target, do) })
}

func withCPU(b *testing.B, address string, do func(*testing.B, string)) {
	before := processorTime()
	b.ResetTimer()
	do(b, address)
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-before)/float64(b.N)/1000, "cpu-µs/op")
}

func processorTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func balancer(b *testing.B, target string) string {
	w := newWorld(b, "TCP")
	w.target(target)
	return w.serve(func(c *l4.Config) { c.Observe = func(l4.Sample) {} }).address
}

func bare(b *testing.B, target string) string {
	return backend(b, func(c *net.TCPConn) {
		out, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = out.Close() }()
		done := make(chan struct{})
		go func() {
			_, _ = io.Copy(out, c)
			_ = out.(*net.TCPConn).CloseWrite()
			close(done)
		}()
		_, _ = io.Copy(c, out)
		_ = c.CloseWrite()
		<-done
	})
}
