package counters_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/counters"
)

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0
  eth0: 1296324     900    0    0    0     0          0         0    45678     700    0    0    0     0       0          0
  eth1:4294967296    900    0    0    0     0          0         0        2     700    0    0    0     0       0          0
`

const (
	ioStat = "8:16 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=5 dios=1\n253:0 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n7:0 \n"
	blkio  = "8:16 Read 4096\n8:16 Write 8192\n8:16 Sync 1\n8:16 Async 2\n8:16 Discard 5\n8:16 Total 12293\n253:0 Read 1\n253:0 Write 2\nTotal 12296\n"
)

func TestParse(t *testing.T) {
	t.Parallel()
	if n, err := counters.ParseNet([]byte(netDev)); err != nil || *n != (driver.Network{Received: 4296263620, Sent: 45680}) {
		t.Errorf("net/dev: got %+v, %v", n, err)
	}
	if n, err := counters.ParseNet([]byte("lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n")); n != nil || err != nil {
		t.Errorf("no network: got %+v, %v", n, err)
	}
	want := driver.Disk{Read: 4097, Written: 8194}
	if d, err := counters.ParseIOStat([]byte(ioStat)); d != want || err != nil {
		t.Errorf("io.stat: got %+v, %v", d, err)
	}
	if d, err := counters.ParseBlkio([]byte(blkio)); d != want || err != nil {
		t.Errorf("blkio: got %+v, %v", d, err)
	}
	if d, err := counters.ParseBlkio([]byte("Total 0\n")); d != (driver.Disk{}) || err != nil {
		t.Errorf("nothing: got %+v, %v", d, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	if n, err := counters.ParseNet([]byte("eth0: 1 2 3\n")); err == nil {
		t.Errorf("too few columns: got %+v", n)
	}
	if n, err := counters.ParseNet([]byte("eth0: a 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")); err == nil {
		t.Errorf("no number: got %+v", n)
	}
	if d, err := counters.ParseIOStat([]byte("8:0 rbytes=x\n")); err == nil {
		t.Errorf("no number: got %+v", d)
	}
	if d, err := counters.ParseBlkio([]byte("8:0 Read x\n")); err == nil {
		t.Errorf("no number: got %+v", d)
	}
}

// TestCgroups reads the files of cgroups; where there are none, nothing is known.
func TestCgroups(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there are no cgroups")
	}
	dir := t.TempDir()
	if d := counters.Unified(dir); d != nil {
		t.Errorf("no io.stat: got %+v", d)
	}
	if d := counters.Blkio(dir); d != nil {
		t.Errorf("no blkio: got %+v", d)
	}
	if d := counters.Blkio(""); d != nil {
		t.Errorf("no controller: got %+v", d)
	}
	for name, text := range map[string]string{"io.stat": ioStat, "blkio.throttle.io_service_bytes_recursive": blkio} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := &driver.Disk{Read: 4097, Written: 8194}
	if diff := cmp.Diff(want, counters.Unified(dir)); diff != "" {
		t.Errorf("version 2 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, counters.Blkio(dir)); diff != "" {
		t.Errorf("version 1 (-want +got):\n%s", diff)
	}
}

// TestOwnNetwork: what goes through the machine's own network is nobody's.
func TestOwnNetwork(t *testing.T) {
	t.Parallel()
	n := counters.NewNamespaces()
	for _, pid := range []string{counters.PID(os.Getpid()), "0", ""} {
		if got := n.Of(pid, ""); got != nil {
			t.Errorf("of process %q: got %+v, want nothing", pid, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{netDev, ioStat, blkio, "", ":", "8:0 rbytes=", "a b c"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = counters.ParseNet(text)
		_, _ = counters.ParseIOStat(text)
		_, _ = counters.ParseBlkio(text)
	})
}
