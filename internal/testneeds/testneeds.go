// Package testneeds lets a test say what it needs of the machine beyond Go: a program, a Docker daemon, root.
//
// Where the need is not met the test is skipped with one line that names it, so that the tests pass on any machine that
// has Go, and `make test` ends with the list of what was left out. Where the environment says CI=true the same is a
// failure: there everything is meant to be present, and a silent skip would be a hole. Only what CI cannot be sure to get is
// optional.
package testneeds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Command returns the absolute path of a program, which it looks for in PATH.
func Command(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "the program %s in PATH", name)
	}
	return path
}

// Docker returns the endpoint of a Docker daemon that answers, in the form of DOCKER_HOST: the one that the environment
// names, or else the usual socket.
func Docker(t testing.TB) string {
	t.Helper()
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	if err := pingDocker(t.Context(), host); err != nil {
		missing(t, "a Docker daemon at %s (%v)", host, err)
	}
	return host
}

// Root wants the test to run as root.
func Root(t testing.TB) {
	t.Helper()
	if uid := os.Geteuid(); uid != 0 {
		missing(t, "root (the tests run as uid %d)", uid)
	}
}

// Range returns 256 addresses for networks of the test alone: no interface of this machine is in them, and they are drawn,
// so that another run of the tests on the same machine does not have them either.
func Range(t testing.TB) netip.Prefix {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatalf("listing this machine's addresses: %v", err)
	}
	for {
		// maitred itself takes what it is not told from 10.128.0.0/9.
		r := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 64 + byte(rand.N(64)), byte(rand.N(256)), 0}), 24) //nolint:gosec // no secret
		if !slices.ContainsFunc(addresses, func(a net.Addr) bool {
			p, err := netip.ParsePrefix(a.String())
			return err == nil && p.Overlaps(r)
		}) {
			return r
		}
	}
}

// Port is a port that nobody has, for a server that must be told its port. It is outside the range from which the kernel
// takes what it gives to whoever asks for any, so that nobody else is given it before the server has it.
func Port(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 12_000 + rand.N(20_000)                                       //nolint:gosec // no secret
		l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port))) //nolint:gosec,noctx // it is closed at once
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no port is free")
	return 0
}

// Optional returns the absolute path of a program that is no part of what CI installs. Without it the test is skipped there
// too.
func Optional(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Without(t, "the program %s in PATH", name)
	}
	return path
}

// Without skips the test for want of what is no part of what CI installs, and that may be out of its reach. It is told like
// any other need.
func Without(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Skip("needs " + fmt.Sprintf(format, args...))
}

// missing ends the test. Its line begins with the same word for all, so that the needs can be told from other skips.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	need := "needs " + fmt.Sprintf(format, args...)
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s; with CI=true nothing may be missing", need)
		return // not reached with a *testing.T
	}
	t.Skip(need)
}

// pingDocker asks for what every daemon answers without a version.
func pingDocker(ctx context.Context, host string) error {
	network, address, ok := strings.Cut(host, "://")
	if !ok || network != "unix" && network != "tcp" {
		return fmt.Errorf("DOCKER_HOST is %q, the tests know unix:// and tcp://", host)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // of a busy machine
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", http.NoBody)
	if err != nil {
		return fmt.Errorf("building the ping: %w", err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ping: %s", response.Status)
	}
	return nil
}
