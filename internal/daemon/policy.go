package daemon

import (
	"fmt"
	"path/filepath"

	"github.com/maitred/maitred/internal/model"
)

// policy is what the operator of this machine allows tasks to do to it. The state of maitred is not theirs to mount.
func (c Config) policy() model.Policy {
	return model.Policy{Privileged: c.AllowPrivileged, HostPaths: c.AllowHostPaths, Guarded: []string{c.DataDir}}
}

// validatePaths says which of the directories that tasks may mount is none.
func validatePaths(paths []string) error {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("--allow-host-path %q: it is an absolute path, as /srv/data", path)
		}
	}
	return nil
}
