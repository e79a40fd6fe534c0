package daemon

import (
	"bytes"
	"context"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
)

// What a story tells of a program's output, and how long it may look for it.
const (
	outputLines   = 10
	outputBytes   = 2 << 10
	outputTimeout = 2 * time.Second
)

// openLog tells what a container of a task (ARN) wrote.
type openLog func(
	ctx context.Context, task, container string, o driver.LogOptions,
) (iter.Seq2[driver.Line, error], error)

// output reads the last lines of containers of this process's agent; nil where there is none.
func (s *server) output(ctx context.Context) func(task, container string) []string {
	if s.logs == nil {
		return nil
	}
	return func(task, container string) []string {
		log, err := s.logs(ctx, task, container, driver.LogOptions{})
		if err != nil {
			s.cfg.Log.Debug("there is no output to tell of", "taskArn", task, "container", container, "error", err)
			return nil
		}
		var end tail
		for line, err := range log {
			if err != nil {
				s.cfg.Log.Debug("not all of the output could be read", "taskArn", task, "container", container, "error", err)
				break
			}
			_, _ = end.Write(append(line.Text, '\n')) // a line is the reader's own
		}
		return end.lines()
	}
}

// outputIn finds the output of a container whose agent is another process of this machine with the same data directory:
// its keeper's newest file.
func (s *server) outputIn(task, container string, attempt int) string {
	for _, dir := range s.cfg.keeperDirs() {
		if path := keeper.NewestLog(dir, lifecycle.ID(task, container, attempt)); path != "" {
			return path
		}
	}
	return "" // another driver, or another machine
}

// keeperDirs are the directories of the keepers that the drivers of this data directory have: process's, and oci's.
func (c Config) keeperDirs() []string {
	return []string{filepath.Join(c.DataDir, "keeper"), filepath.Join(c.DataDir, "oci", "keeper")}
}

// tail keeps the end of what is written to it.
type tail struct {
	end []byte
	cut bool // something came before
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p...)
	if more := len(t.end) - outputBytes; more > 0 {
		t.end, t.cut = append(t.end[:0], t.end[more:]...), true
	}
	return len(p), nil
}

// lines gives the last lines. The first one is left out if it is not whole, unless there is no other.
func (t *tail) lines() []string {
	text := bytes.TrimRight(t.end, "\r\n\t ")
	if _, rest, more := bytes.Cut(text, []byte("\n")); t.cut && more {
		text = rest
	}
	if len(text) == 0 {
		return nil
	}
	lines := strings.Split(strings.ToValidUTF8(string(text), "\uFFFD"), "\n")
	lines = lines[max(0, len(lines)-outputLines):]
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, "\r")
	}
	return lines
}
