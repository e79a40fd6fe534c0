// Package host describes the machine that an agent runs on, as a model.Machine: its lasting id, what it can hold, and
// the attributes that tasks may ask for.
package host

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

const (
	unitsPerCore = 1024 // CPU units
	idFile       = "machine-id"
)

// reservedPorts are those that tasks cannot have: SSH, Docker, and the ECS agent's own ("PortMapping").
func reservedPorts() []int { return []int{22, 2375, 2376, 51678, 51679, 51680} }

// ID gives the machine's id, 32 hex digits. It is made once and kept in a file of the data directory: a machine whose
// directory was copied must be given a new one by removing that file.
func ID(dir string) (string, error) {
	path := filepath.Join(dir, idFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newID(dir, path)
	}
	if err != nil {
		return "", fmt.Errorf("read the machine's id: %w", err)
	}
	id := strings.TrimSpace(string(text))
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		return "", fmt.Errorf("%s holds %q, want 32 hex digits", path, id)
	}
	return id, nil
}

// newID makes the file by linking it into place, so that of two processes that do so at once both get the same id.
func newID(dir, path string) (string, error) {
	var b [16]byte
	rand.Read(b[:])
	id := hex.EncodeToString(b[:])
	temporary, err := os.CreateTemp(dir, idFile+"-*")
	if err != nil {
		return "", fmt.Errorf("make the machine's id: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // at worst a small file stays
	_, err = temporary.WriteString(id + "\n")
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return "", fmt.Errorf("write the machine's id: %w", err)
	}
	switch err := os.Link(temporary.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return ID(dir)
	case err != nil:
		return "", fmt.Errorf("keep the machine's id: %w", err)
	}
	return id, nil
}

// Options are what a machine cannot know of itself. Zero values stand for what is found.
type Options struct {
	ID           string
	Region       string
	Zone         string // default: the region's zone a
	InstanceType string // default: self-hosted
	Address      string // where published ports are reached
	CPU          int    // units
	Memory       int    // MiB
	GPUs         int
	Clusters     []string // names; none: all
	Driver       string
	DriverReason string
	Version      string
}

// Describe gives the machine's record, without times and without a word about being connected.
func Describe(o Options) (*model.Machine, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("the machine's name: %w", err)
	}
	if o.Memory == 0 {
		if o.Memory, err = memory(); err != nil {
			return nil, fmt.Errorf("the machine's memory: %w", err)
		}
	}
	return &model.Machine{
		ID: o.ID, Host: name, Address: o.Address, Driver: o.Driver, DriverReason: o.DriverReason, Version: o.Version,
		Capacity: model.Resources{
			CPU: cmp.Or(o.CPU, runtime.NumCPU()*unitsPerCore), Memory: o.Memory, GPUs: o.GPUs, Ports: reservedPorts(),
		},
		Attributes: map[string]string{
			model.AttributeOS:           runtime.GOOS,
			"ecs.os-family":             strings.ToUpper(runtime.GOOS),
			model.AttributeArchitecture: architecture(runtime.GOARCH),
			model.AttributeZone:         cmp.Or(o.Zone, o.Region+"a"),
			model.AttributeInstanceType: cmp.Or(o.InstanceType, "self-hosted"),
		},
		Clusters: o.Clusters, BootID: bootID(), Zoned: o.Zone != "",
	}, nil
}

// architecture gives ECS's word for an architecture ("Amazon ECS container instance attributes").
func architecture(goarch string) string {
	if goarch == "amd64" {
		return "x86_64"
	}
	return goarch
}
