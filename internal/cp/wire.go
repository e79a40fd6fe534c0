package cp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/exec"
)

// The words that are said over package exec instead of a command, and the query's members beside them.
const (
	wordStat = "stat"
	wordOut  = "out"
	wordIn   = "in"

	queryPath   = "path"
	queryOwners = "owners"
)

// answer is that to stat.
type answer struct {
	Exists   bool        `json:"exists"`
	Mode     fs.FileMode `json:"mode,omitempty"`
	Size     int64       `json:"size,omitempty"`
	Modified time.Time   `json:"modified,omitzero"`
	Target   string      `json:"target,omitempty"`
}

// Files are those of containers, by their ids: a part of driver.Driver.
type Files interface {
	Stat(ctx context.Context, id, path string) (driver.File, error)
	CopyOut(ctx context.Context, id, path string, to io.Writer) error
	CopyIn(ctx context.Context, id, dir string, in driver.Copy) error
}

// Serve answers a request to copy. It returns when that is done.
func Serve(w http.ResponseWriter, r *http.Request, files Files, id string) error {
	q := r.URL.Query()
	name, owners := q.Get(queryPath), q.Get(queryOwners) == "true"
	return exec.Serve(w, r, func(ctx context.Context, e driver.Exec) (int, error) {
		switch e.Command[0] {
		case wordStat:
			return 0, tell(ctx, files, id, name, e.Stdout)
		case wordOut:
			return 0, files.CopyOut(ctx, id, name, e.Stdout)
		case wordIn:
			if e.Stdin == nil {
				return 0, errors.New("there is no archive")
			}
			return 0, files.CopyIn(ctx, id, name, driver.Copy{Archive: e.Stdin, Owners: owners})
		}
		return 0, fmt.Errorf("%q cannot be done with files: this agent is of an older version", e.Command[0])
	})
}

// tell answers to stat.
func tell(ctx context.Context, files Files, id, name string, to io.Writer) error {
	f, err := files.Stat(ctx, id, name)
	a := answer{Exists: true, Mode: f.Mode, Size: f.Size, Modified: f.Modified, Target: f.Target}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a = answer{}
	case err != nil:
		return err
	}
	return json.NewEncoder(to).Encode(a)
}

// Remote is a container that is asked through a server.
type Remote struct {
	URL       string // that of the server's answer to this
	Task      string // as a person says it, until the first answer tells the ARN
	Container string
	// Opened is called with the head of the first answer. It gives the task and the container that were chosen.
	Opened func(http.Header) (task, container string)

	asked bool
}

// call says a word and gives what it is answered.
func (r *Remote) call(ctx context.Context, q url.Values, e driver.Exec) error {
	q.Set("task", r.Task)
	if r.Container != "" {
		q.Set("container", r.Container)
	}
	code, err := exec.Call(ctx, http.DefaultClient, r.URL+"?"+q.Encode(), e, func(h http.Header) {
		if !r.asked && r.Opened != nil {
			r.Task, r.Container = r.Opened(h)
		}
		r.asked = true
	})
	if err == nil && code != 0 {
		err = fmt.Errorf("the agent ended the copy with code %d", code)
	}
	return err
}

// stat tells what is at a path.
func (r *Remote) stat(ctx context.Context, name string) (a answer, err error) {
	var text bytes.Buffer
	if err := r.call(ctx, url.Values{queryPath: {name}}, driver.Exec{Command: []string{wordStat}, Stdout: &text}); err != nil {
		return a, err
	}
	if err := json.Unmarshal(text.Bytes(), &a); err != nil {
		return a, fmt.Errorf("the agent's answer: %w", err)
	}
	return a, nil
}

// out gets the archive of what is at a path.
func (r *Remote) out(ctx context.Context, name string, to io.Writer) error {
	return r.call(ctx, url.Values{queryPath: {name}}, driver.Exec{Command: []string{wordOut}, Stdout: to})
}

// in sends an archive into a directory.
func (r *Remote) in(ctx context.Context, dir string, c driver.Copy) error {
	q := url.Values{queryPath: {dir}}
	if c.Owners {
		q.Set(queryOwners, "true")
	}
	return r.call(ctx, q, driver.Exec{Command: []string{wordIn}, Stdin: c.Archive})
}
