//go:build linux

package network

import (
	"testing"
)

func TestTasksReachEachOtherAndTheMachine(t *testing.T) {
	h := newHost(t, testConfig(t))
	a := makeEndpoint(t, h, task("a", "172.31.0.10"))
	b := makeEndpoint(t, h, task("b", "172.31.0.11"))
	far := makeEndpoint(t, h, task("far", "172.31.16.10"))
	for _, network := range []string{"tcp4", "udp4"} {
		serve(t, a.Path, network, "0.0.0.0:80", "a")
		serve(t, far.Path, network, "0.0.0.0:80", "far")
		serve(t, "", network, "0.0.0.0:8080", "machine")
		wantAnswer(t, "", network, "172.31.0.10:80", "a to 172.31.0.1")
		wantAnswer(t, b.Path, network, "172.31.0.10:80", "a to 172.31.0.11")
		wantAnswer(t, a.Path, network, "172.31.0.10:80", "a to 172.31.0.10")
		wantAnswer(t, b.Path, network, "172.31.16.10:80", "far to 172.31.0.11")
		wantAnswer(t, far.Path, network, "172.31.0.10:80", "a to 172.31.16.10")
		wantAnswer(t, b.Path, network, "172.31.0.1:8080", "machine to 172.31.0.11")
	}
}
