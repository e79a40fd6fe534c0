package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/model"
)

// ledger remembers which host ports and which network interface were chosen for which task from before the first
// container is started until the task's end is durable and its interface freed: the agent may be killed before it could
// tell the store. There is one small file for each task.
// They are not synced to disk: what they are about does not survive the machine either.
type ledger struct {
	dir  string // "" for none
	kept map[string]lifecycle.Holdings
}

// ledgerEntry is the content of a file.
type ledgerEntry struct {
	Task string `json:"task"` // ARN
	lifecycle.Holdings
}

func openLedger(dir string) (*ledger, error) {
	b := &ledger{kept: map[string]lifecycle.Holdings{}}
	if dir == "" {
		return b, nil
	}
	b.dir = filepath.Join(dir, "ports")
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, fmt.Errorf("agent: make the directory of ports: %w", err)
	}
	files, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, fmt.Errorf("agent: read the directory of ports: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(b.dir, f.Name())
		e, err := readEntry(path)
		if err != nil || filepath.Base(b.path(e.Task)) != f.Name() {
			// Half a file of a process that was killed: nothing was started with it.
			if err := os.Remove(path); err != nil {
				return nil, fmt.Errorf("agent: remove a broken file of ports: %w", err)
			}
			continue
		}
		b.kept[e.Task] = e.Holdings
	}
	return b, nil
}

func readEntry(path string) (ledgerEntry, error) {
	var e ledgerEntry
	text, err := os.ReadFile(path)
	if err != nil {
		return e, err
	}
	err = json.Unmarshal(text, &e)
	return e, err
}

func (b *ledger) path(task string) string {
	return filepath.Join(b.dir, strings.ReplaceAll(model.ShortID(task), string(filepath.Separator), "_")+".json")
}

// put remembers what a task was given.
func (b *ledger) put(task string, given lifecycle.Holdings) error {
	if len(given.Bindings) == 0 && given.Attachment == nil || b.dir == "" {
		return nil
	}
	text, err := json.Marshal(ledgerEntry{Task: task, Holdings: given})
	if err != nil {
		return fmt.Errorf("encode ports: %w", err)
	}
	path := b.path(task)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("keep ports: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("keep ports: %w", err)
	}
	b.kept[task] = given
	return nil
}

// remove forgets what a task was given.
func (b *ledger) remove(task string) error {
	if _, ok := b.kept[task]; !ok {
		return nil
	}
	delete(b.kept, task)
	if err := os.Remove(b.path(task)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget ports: %w", err)
	}
	return nil
}
