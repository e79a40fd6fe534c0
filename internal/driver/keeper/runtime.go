package keeper

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Runtime is how a container is started by an OCI runtime (runc, crun) rather than executed as a program of the machine.
// Its first process becomes the keeper's child when the runtime's command ends, so its exit is seen like any other.
//
// Everything that the container leaves behind is named here, and with the Spec in the journal: so whoever comes after a
// killed keeper can clear it away.
type Runtime struct {
	// Argv is the runtime's command, by an absolute path: it starts the container, writes PIDFile and ends. Its words
	// are like no other process's on the machine, for a keeper that was killed is known to have started it by them.
	Argv    []string `json:"argv"`
	PIDFile string   `json:"pidfile"`
	Log     string   `json:"log"`            // where it writes, as lines of JSON, why it failed
	Root    *Overlay `json:"root,omitempty"` // the container's root file system; nil if it is there already
	// Binds are what the container mounts of the machine where others may change it.
	Binds []Bind `json:"binds,omitempty"`
	// Cgroups are the directories of the container's own cgroup, one for each hierarchy; Memory is the one among them
	// that counts memory, "" for none. They are removed when the container has ended.
	Cgroups []string `json:"cgroups,omitempty"`
	Memory  string   `json:"memory,omitempty"`
	// State are the directories that the runtime keeps of a container; they are removed when it has ended.
	State []string `json:"state,omitempty"`
	// Config is the file of its configuration, with the environment in it; it is removed when it has ended.
	Config string `json:"config,omitempty"`
	// Files are the directories of all that is its own; they are removed with it.
	Files []string `json:"files,omitempty"`
	// Pulled is what its Status tells of its image.
	Pulled Pulled `json:"pulled,omitzero"`
	// Terminal is the unix socket on which the runtime hands over the container's terminal, "" if it has none. A
	// container on a terminal ends (SIGHUP) when the keeper is killed, for nobody can open a terminal's other end again.
	Terminal string `json:"terminal,omitempty"`
	// Interactive keeps the container's standard input open; otherwise it is empty.
	Interactive bool `json:"interactive,omitempty"`
}

// Pulled tells of a container's image: its digest and, if it was fetched for this container, when.
type Pulled struct {
	Image     string    `json:"image,omitempty"`
	StartedAt time.Time `json:"started,omitzero"`
	StoppedAt time.Time `json:"stopped,omitzero"`
}

// Overlay is a root file system in layers. It is mounted in a mount namespace that only the runtime's command and the
// container see: it is gone when the container is, whoever has been killed, and nothing has to be unmounted.
type Overlay struct {
	Target string   `json:"target"` // an empty directory
	Lower  []string `json:"lower"`  // lowest first
	Upper  string   `json:"upper"`
	Work   string   `json:"work"` // empty, on Upper's file system
}

// Bind shows a directory or file of the machine at a second path, which the runtime is told in its place. It is opened and
// mounted by its descriptor: a name could lead elsewhere by the time the runtime uses it. As an Overlay, the mount is seen
// by the runtime's command and the container alone, and goes with them.
type Bind struct {
	Source string `json:"source"` // absolute; refused if a symbolic link is in it, for then it is not what was allowed
	Target string `json:"target"` // made for it, in a directory that is root's alone
}

// RuntimeError finds the last error in a runtime's log, without what every one of its errors begins with.
func RuntimeError(log []byte) string {
	told := ""
	for line := range bytes.Lines(log) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal(line, &entry) == nil && (entry.Level == "error" || entry.Level == "fatal") && entry.Msg != "" {
			told = entry.Msg
		}
	}
	for _, prefix := range []string{"runc run failed: ", "exec failed: ", "unable to start container process: "} {
		told = strings.TrimPrefix(told, prefix)
	}
	return strings.TrimSpace(told)
}
