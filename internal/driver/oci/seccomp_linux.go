package oci

import (
	"strings"
	"sync"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// profiles are Docker's default seccomp profile for sets of capabilities, of which a machine sees very few.
type profiles struct {
	mu    sync.Mutex
	known map[string]*specs.LinuxSeccomp
}

func newProfiles() *profiles { return &profiles{known: map[string]*specs.LinuxSeccomp{}} }

// of gives the profile for a set of capabilities. It is shared, and not to be changed.
func (p *profiles) of(caps []string) (*specs.LinuxSeccomp, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.Join(caps, " ")
	if found := p.known[key]; found != nil {
		return found, nil
	}
	s, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{
		Capabilities: &specs.LinuxCapabilities{Bounding: caps},
	}})
	if err != nil {
		return nil, err
	}
	p.known[key] = s
	return s, nil
}
