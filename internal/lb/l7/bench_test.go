package l7_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/l7"
)

// BenchmarkProxy sends requests of one client, on one connection, through the load balancer (with the access log in a
// file) and through httputil.ReverseProxy: what is measured is all of it, client and target included, which is the same
// for both.
func BenchmarkProxy(b *testing.B) {
	target := listen(b, func(c net.Conn) { serveBench(c) })
	b.Run("reverseproxy", func(b *testing.B) {
		u := &url.URL{Scheme: "http", Host: target}
		p := httputil.NewSingleHostReverseProxy(u)
		p.Transport = &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}
		s := httptest.NewServer(p)
		defer s.Close()
		benchmark(b, strings.TrimPrefix(s.URL, "http://"))
	})
	b.Run("l7", func(b *testing.B) {
		file, err := accesslog.Open(filepath.Join(b.TempDir(), "access.log"), 0, 0)
		if err != nil {
			b.Fatal(err)
		}
		r := newRig(b, func(_ *rig, c *l7.Config) { c.AccessLog, c.Observe = file, func(l7.Sample) {} })
		r.target(r.group("app", nil), target)
		benchmark(b, r.addr)
		if err := file.Close(); err != nil || file.Dropped() > 0 {
			b.Errorf("%v, %d lines were dropped", err, file.Dropped())
		}
	})
	b.Run("direct", func(b *testing.B) { benchmark(b, target) })
}

const benchRequest = "GET /path?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"

// serveBench answers each request with 1 KiB, and allocates nothing.
func serveBench(c net.Conn) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	buf, n := make([]byte, 4096), 0
	for {
		m, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		if n += m; strings.HasSuffix(string(buf[:n]), "\r\n\r\n") {
			n = 0
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}

func benchmark(b *testing.B, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 8192)
	request := []byte(benchRequest)
	one := func() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for got, want := 0, 0; want == 0 || got < want; {
			n, err := c.Read(buf[got:])
			if err != nil {
				b.Fatal(err)
			}
			got += n
			if i := strings.Index(string(buf[:got]), "\r\n\r\n"); i > 0 {
				want = i + 4 + 1024
			}
		}
	}
	one()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuTime()
	b.ResetTimer()
	for range b.N {
		one()
	}
	b.StopTimer()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "mallocs/op")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N), "bytes/op")
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N)/1000, "cpu-µs/op")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
