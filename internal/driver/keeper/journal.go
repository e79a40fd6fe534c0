package keeper

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/driver"
)

// The names in a keeper's directory.
const (
	socketName  = "keeper.sock"
	lockName    = "keeper.lock"
	journalName = "journal"
	logsName    = "logs"
)

// record is what the journal tells of a container. A later record completes or replaces the members of an earlier one
// with the same id; Gone ends it.
type record struct {
	ID     string         `json:"id"`
	Boot   string         `json:"boot,omitempty"` // the boot id under which it was started
	Spec   *Spec          `json:"spec,omitempty"` // in the file without its environment, see bare
	Mark   uint16         `json:"mark,omitempty"` // of that environment
	PID    int            `json:"pid,omitempty"`
	Ticks  uint64         `json:"ticks,omitempty"`  // the process's start, field 22 of /proc/PID/stat
	Pipe   uint64         `json:"pipe,omitempty"`   // the inode of its output's pipe
	Cgroup string         `json:"cgroup,omitempty"` // its directory
	Status *driver.Status `json:"status,omitempty"`
	Gone   bool           `json:"gone,omitempty"`
}

// merge completes an earlier record by a later one.
func (r record) merge(later record) record {
	if later.Spec == nil {
		later.Spec = r.Spec
	}
	if later.Mark == 0 {
		later.Mark = r.Mark
	}
	if later.Boot == "" {
		later.Boot = r.Boot
	}
	if later.PID == 0 {
		later.PID, later.Ticks = r.PID, r.Ticks
	}
	if later.Pipe == 0 {
		later.Pipe = r.Pipe
	}
	if later.Cgroup == "" {
		later.Cgroup = r.Cgroup
	}
	if later.Status == nil {
		later.Status = r.Status
	}
	return later
}

// bare is the record as it may be on a disk: without the environment, which holds secrets. Who needs it has the process.
func (r record) bare() record {
	if r.Spec != nil {
		spec := *r.Spec
		r.Mark, spec.Env = r.mark(), nil
		r.Spec = &spec
	}
	return r
}

// mark is that of the environment; a keeper of an earlier version wrote the environment itself.
func (r record) mark() uint16 {
	if r.Mark != 0 || r.Spec == nil {
		return r.Mark
	}
	return markOf(r.Spec.Env)
}

// markOf is a mark by which an environment can be recognized, in whatever order. It is too short to tell anything of a
// value: of any 65,536 guesses, one fits.
func markOf(env []string) uint16 {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(env)), "\x00")))
	return binary.BigEndian.Uint16(sum[:])
}

// journal is an append-only file of records, one a line. It outlives the keeper's death, since what is written is in the
// kernel's hands; it is not synced, for after a crash of the machine nothing that it tells of runs any more.
//
// One file for all, not one for each container, because making a file is by far the dearest step of a start after the
// fork itself (measured on ext4: 0.37 ms a file, 0.001 ms an appended line).
type journal struct {
	path  string
	file  *os.File
	lines int  // in the file
	torn  bool // the last write failed, perhaps in the middle of a line
}

// parseJournal reads records, by id in the order of their first line. Lines that are none are skipped: the last one may
// be torn by a crash.
func parseJournal(r io.Reader) ([]record, error) {
	byID := map[string]record{}
	var order []string
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var rec record
		if json.Unmarshal(line, &rec) == nil && rec.ID != "" {
			old, known := byID[rec.ID]
			switch {
			case rec.Gone:
				delete(byID, rec.ID)
				order = slices.DeleteFunc(order, func(id string) bool { return id == rec.ID })
			case known:
				byID[rec.ID] = old.merge(rec)
			default:
				byID[rec.ID] = rec
				order = append(order, rec.ID)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	records := make([]record, 0, len(order))
	for _, id := range order {
		records = append(records, byID[id])
	}
	return records, nil
}

// openJournal reads the journal of a directory and opens it for appending.
func openJournal(dir string) (*journal, []record, error) {
	path := filepath.Join(dir, journalName)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("read the keeper's journal: %w", err)
	}
	records, err := parseJournal(bytes.NewReader(old))
	if err != nil {
		return nil, nil, fmt.Errorf("read the keeper's journal: %w", err)
	}
	j := &journal{path: path}
	if err := j.rewrite(records); err != nil {
		return nil, nil, err
	}
	return j, records, nil
}

// rewrite replaces the file by one of just these records, atomically.
func (j *journal) rewrite(records []record) error {
	var all bytes.Buffer
	enc := json.NewEncoder(&all)
	for _, rec := range records {
		if err := enc.Encode(rec.bare()); err != nil {
			return fmt.Errorf("encode the keeper's journal: %w", err)
		}
	}
	if err := os.WriteFile(j.path+".new", all.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the keeper's journal: %w", err)
	}
	file, err := os.OpenFile(j.path+".new", os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the keeper's journal: %w", err)
	}
	if err := os.Rename(j.path+".new", j.path); err != nil {
		_ = file.Close()
		return fmt.Errorf("replace the keeper's journal: %w", err)
	}
	_ = j.close()
	j.file, j.lines, j.torn = file, len(records), false
	return nil
}

// add appends a record.
func (j *journal) add(rec record) error {
	line, err := json.Marshal(rec.bare())
	if err != nil {
		return err
	}
	if j.torn {
		line = append([]byte{'\n'}, line...)
	}
	_, err = j.file.Write(append(line, '\n'))
	j.torn = err != nil
	if err != nil {
		return fmt.Errorf("write the keeper's journal: %w", err)
	}
	j.lines++
	return nil
}

// bloated says that the journal is worth rewriting when so many records are alive. A container leaves four lines.
func (j *journal) bloated(alive int) bool { return j.lines > 1000+8*alive }

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
