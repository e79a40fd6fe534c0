package oci

import (
	"strconv"
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

// of gives the profile for a set of capabilities; it knows the system calls of 32-bit programs only if all is set. It is
// shared, and not to be changed.
func (p *profiles) of(caps []string, all bool) (*specs.LinuxSeccomp, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.Join(caps, " ") + strconv.FormatBool(all)
	if found := p.known[key]; found != nil {
		return found, nil
	}
	s, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{
		Capabilities: &specs.LinuxCapabilities{Bounding: caps},
	}})
	if err != nil {
		return nil, err
	}
	if !all && len(s.Architectures) > 0 {
		s.Architectures = s.Architectures[:1] // the machine's own comes first
	}
	p.known[key] = s
	return s, nil
}
