package host_test

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"

	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/model"
)

func TestID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ids := make([]string, 8)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			id, err := host.ID(dir)
			if err != nil {
				t.Errorf("ID: %v", err)
			}
			ids[i] = id
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
			t.Errorf("got ids %q, want 32 hex digits, always the same", ids)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("got files %v (%v), want the id's alone", left, err)
	}
}

func TestBadID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "machine-id"), []byte("../../etc\n"), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	if id, err := host.ID(dir); err == nil {
		t.Errorf("got id %q, want an error", id)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	m, err := host.Describe(host.Options{ID: "m", Region: "eu-central-1", CPU: 100, Driver: "process", Version: "1"})
	if err != nil {
		t.Fatalf("Describe: %v", err)
	}
	if m.ID != "m" || m.Host == "" || m.Capacity.CPU != 100 || m.Capacity.Memory < 64 || m.Zone() != "eu-central-1a" ||
		m.Attributes[model.AttributeOS] != runtime.GOOS || len(m.Capacity.Ports) != 6 {
		t.Errorf("got %+v", m)
	}
	if runtime.GOOS == "linux" && m.BootID == "" {
		t.Errorf("got no boot id")
	}
	m, err = host.Describe(host.Options{Zone: "here", Memory: 5})
	if err != nil {
		t.Fatalf("Describe: %v", err)
	}
	if m.Zone() != "here" || m.Capacity.Memory != 5 || m.Capacity.CPU != 1024*runtime.NumCPU() {
		t.Errorf("got %+v, want what was said", m)
	}
}
