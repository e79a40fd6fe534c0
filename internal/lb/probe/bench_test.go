package probe_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	core "github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
)

// serving marks the process that answers the checks of benchmarks, so that its CPU is not counted.
const serving = "MAITRED_TEST_SERVING"

// TestServing is no test: it is the other process of benchmarks.
func TestServing(t *testing.T) {
	if os.Getenv(serving) == "" {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, l.Addr())
	server := &http.Server{Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") })
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); server.Close() }()
	_ = server.Serve(l)
}

// elsewhere starts a server in a process of its own.
func elsewhere(b *testing.B) net.Addr {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestServing$")
	cmd.Env = append(os.Environ(), serving+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	address, err := net.ResolveTCPAddr("tcp", strings.TrimSpace(line))
	if err != nil {
		b.Fatal(err)
	}
	return address
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkThousand checks 1,000 targets over real connections to another process, each once a second, and reports the
// CPU of this process for each check, what that is in percent of a core at the shortest interval there is (5 s), and the
// goroutines.
func BenchmarkThousand(b *testing.B) {
	for _, c := range []struct{ protocol, version string }{{"TCP", ""}, {"HTTP", "HTTP1"}, {"HTTP", "HTTP2"}} {
		b.Run(strings.TrimSpace(c.protocol+" "+c.version), func(b *testing.B) {
			address := elsewhere(b).(*net.TCPAddr)
			var checks atomic.Int64
			enough := make(chan struct{})
			var p probe.Prober
			r := probe.New(probe.Config{
				Check: func(ctx context.Context, t probe.Target) core.Outcome {
					o := p.Check(ctx, t)
					if checks.Add(1) == int64(b.N) {
						close(enough)
					}
					return o
				},
				Changed: func(path string, s model.TargetState, _, _ string, _ time.Time) {
					if s == model.TargetUnhealthy {
						b.Errorf("%s is %s", path, s)
					}
				},
				Suspected: func(string, bool) {},
			})
			g := &model.TargetGroup{Protocol: "HTTP", ProtocolVersion: c.version, Check: model.TargetCheck{
				Protocol: c.protocol, Interval: time.Second, Timeout: time.Minute, Healthy: 5, Unhealthy: 10,
			}}
			var targets []probe.Target
			for i := range 1000 {
				targets = append(targets, probe.Target{
					Path: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250), Address: address.IP.String(), Port: address.Port, Group: g, InUse: true,
				})
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan struct{})
			before := cpu(b)
			b.ResetTimer()
			go func() { defer close(ended); r.Run(ctx) }()
			r.Set(targets)
			<-enough
			used := float64((cpu(b) - before).Microseconds()) / float64(b.N)
			goroutines := runtime.NumGoroutine()
			cancel()
			<-ended
			b.ReportMetric(used, "cpu-µs/check")
			b.ReportMetric(used*200/10000, "%core-at-5s")
			b.ReportMetric(float64(goroutines), "goroutines")
		})
	}
}
