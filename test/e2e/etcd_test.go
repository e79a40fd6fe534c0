package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoServers runs a second server and an agent on the first one's etcd, as on an external one: both answer the same,
// and when the first scheduler goes, with its etcd, the second one says that it cannot serve.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	dir, other, third := stateDir(t), stateDir(t), stateDir(t)
	first := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	text, err := os.ReadFile(filepath.Join(dir, "store", "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	endpoint := strings.TrimSpace(string(text))
	second := start(t, "server", "--data-dir", other, "--listen", "127.0.0.1:0", "--etcd-endpoints", endpoint)
	start(t, "agent", "--data-dir", third, "--driver", "process", "--etcd-endpoints", endpoint)
	c := client(second.api)
	define(t, c, "worker", sleeper())
	createWorker(t, c, 2)
	eventually(t, "the first server knows of two running tasks", func() bool { return len(running(t, client(first.api))) == 2 })
	eventually(t, "the second server says that it is well", func() bool {
		body, err := get(second.api + "/healthz")
		return err == nil && body == "ok\n"
	})
	first.kill()
	eventually(t, "the second server says that its store is gone", func() bool {
		body, err := get(second.api + "/healthz")
		return err == nil && strings.Contains(body, "the store does not serve")
	})
	for _, pid := range pidsWith(third) {
		if !alive(pid) {
			t.Error("something of the agent died with the store")
		}
	}
}
