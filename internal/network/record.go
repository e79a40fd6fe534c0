package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// record is what is written of an endpoint before anything of it is made.
type record struct {
	ID      string              `json:"id"`
	Mode    string              `json:"mode"`
	Address netip.Prefix        `json:"addr,omitzero"` // of eth0, with the length of its network's prefix
	Gateway netip.Addr          `json:"gateway,omitzero"`
	MAC     string              `json:"mac,omitempty"`
	Ports   []model.PortBinding `json:"ports,omitempty"`
	Made    bool                `json:"made,omitempty"` // wholly
}

// shelf keeps records in files, one for each.
type shelf struct{ dir string }

const temporary = ".tmp"

func (s shelf) path(id string) string { return filepath.Join(s.dir, id+".json") }

// put writes a record so that a reader sees the old one or the new one. It is not flushed to the disk: namespaces do not
// outlive the machine's power.
func (s shelf) put(r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := s.path(r.ID)
	if err := os.WriteFile(path+temporary, b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+temporary, path)
}

func (s shelf) remove(id string) error {
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// all reads every record. A file that holds none, because the machine lost its power while it was written, stands for
// an endpoint that was not made.
func (s shelf) all() ([]*record, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var records []*record
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !ids.MatchString(id) {
			if strings.HasSuffix(e.Name(), temporary) {
				_ = os.Remove(path) // of a put that did not end
			}
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading what is known of a network: %w", err)
		}
		records = append(records, decodeRecord(id, b))
	}
	return records, nil
}

func decodeRecord(id string, b []byte) *record {
	r := &record{}
	if json.Unmarshal(b, r) != nil || r.ID != id || r.Made && !r.sound() {
		return &record{ID: id}
	}
	return r
}

// sound says that a record is one that could have been written.
func (r *record) sound() bool {
	if _, err := targetsOf(r.Ports); err != nil {
		return false
	}
	switch r.Mode {
	case ModeNone:
		return !r.Address.IsValid()
	case ModeAWSVPC, ModeBridge:
		return r.Address.IsValid() && r.Address.Addr().Is4() && r.Address.Contains(r.Gateway)
	}
	return false
}
