package testneeds_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// recorder is a test that notes how it ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Skip(args ...any)                  { r.skipped = fmt.Sprint(args...) }
func (r *recorder) Fatalf(format string, args ...any) { r.failed = fmt.Sprintf(format, args...) }

func TestMissingSkipsOrFails(t *testing.T) {
	none := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	needs := map[string]func(testing.TB){
		"the program surely-not-there in PATH": func(t testing.TB) { testneeds.Command(t, "surely-not-there") },
		"a Docker daemon at " + none:           func(t testing.TB) { testneeds.Docker(t) },
	}
	if os.Geteuid() != 0 {
		needs["root"] = testneeds.Root
	}
	for want, need := range needs {
		t.Run(want, func(t *testing.T) {
			t.Setenv("DOCKER_HOST", none)
			t.Setenv("CI", "")
			here := &recorder{TB: t}
			need(here)
			if !strings.HasPrefix(here.skipped, "needs "+want) || strings.Contains(here.skipped, "\n") || here.failed != "" {
				t.Errorf("got skip %q, failure %q, want a skip of one line that begins with %q", here.skipped, here.failed, "needs "+want)
			}
			t.Setenv("CI", "true")
			inCI := &recorder{TB: t}
			need(inCI)
			if !strings.Contains(inCI.failed, want) || inCI.skipped != "" {
				t.Errorf("with CI=true: got skip %q, failure %q, want a failure that names %q", inCI.skipped, inCI.failed, want)
			}
		})
	}
}

// TestOptional: what CI need not have is told there too, and fails nothing.
func TestOptional(t *testing.T) {
	t.Setenv("CI", "true")
	r := &recorder{TB: t}
	if testneeds.Optional(r, "surely-not-there"); r.skipped != "needs the program surely-not-there in PATH" || r.failed != "" {
		t.Errorf("got skip %q, failure %q", r.skipped, r.failed)
	}
	r = &recorder{TB: t}
	if got := testneeds.Optional(r, "go"); !filepath.IsAbs(got) || r.skipped != "" {
		t.Errorf("Optional(go) = %q, skip %q", got, r.skipped)
	}
}

func TestPresent(t *testing.T) {
	t.Setenv("CI", "true")
	r := &recorder{TB: t}
	if got := testneeds.Command(r, "go"); !filepath.IsAbs(got) {
		t.Errorf("Command(go) = %q, want an absolute path", got)
	}
	if os.Geteuid() == 0 {
		testneeds.Root(r)
	}
	for _, network := range []string{"unix", "tcp"} {
		want := serveDocker(t, network, http.StatusOK)
		t.Setenv("DOCKER_HOST", want)
		if got := testneeds.Docker(r); got != want {
			t.Errorf("Docker() = %q, want %q", got, want)
		}
	}
	if r.skipped+r.failed != "" {
		t.Errorf("got skip %q, failure %q, want neither", r.skipped, r.failed)
	}
}

func TestDockerThatIsNone(t *testing.T) {
	for host, want := range map[string]string{
		serveDocker(t, "tcp", http.StatusNotFound): "404",
		"ssh://somewhere":                          "unix:// and tcp://",
	} {
		t.Setenv("CI", "")
		t.Setenv("DOCKER_HOST", host)
		r := &recorder{TB: t}
		testneeds.Docker(r)
		if !strings.Contains(r.skipped, want) {
			t.Errorf("at %s: got skip %q, want it to contain %q", host, r.skipped, want)
		}
	}
}

// serveDocker answers /_ping, and nothing else, with a status; it returns its DOCKER_HOST.
func serveDocker(t *testing.T, network string, status int) string {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "d.sock")
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	server := httptest.NewUnstartedServer(mux)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return network + "://" + listener.Addr().String()
}

// TestPort: who asks the kernel for any port is not given one that Port gave.
func TestPort(t *testing.T) {
	port := testneeds.Port(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	defer l.Close()
	given, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	if kernels := given.Addr().(*net.TCPAddr).Port; port >= kernels && port >= 32_000 {
		t.Errorf("port %d is among those that the kernel gives, such as %d", port, kernels)
	}
}
