package daemon

import "testing"

// TestIdentity: two processes under one identity disturb each other's commits in a shared etcd, and one that comes back
// has to find its own markers again.
func TestIdentity(t *testing.T) {
	t.Parallel()
	here, there := t.TempDir(), t.TempDir()
	of := func(dir string, isServer bool) string {
		c := Defaults() // so each listens on the same address of its machine
		c.DataDir, c.Server, c.Agent = dir, isServer, !isServer
		id, err := (&server{cfg: c}).identity()
		if err != nil || id == "" {
			t.Fatalf("identity of %s: %q, %v", dir, id, err)
		}
		return id
	}
	if a, b := of(here, true), of(there, true); a == b {
		t.Errorf("the servers of two machines are both %q", a)
	}
	if a, b := of(here, true), of(here, false); a == b {
		t.Errorf("the server and the agent of a machine are both %q", a)
	}
	if a, b := of(here, true), of(here, true); a != b {
		t.Errorf("a server that is started again is %q, and was %q", b, a)
	}
}
