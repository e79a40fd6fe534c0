package daemon

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/cp"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/peer"
)

const (
	copyPath      = "/maitred/v1/copy" // of a server
	agentCopyPath = "/v1/copy"         // of an agent's line
)

// Copying is what the verb cp does: it copies between a container of a task and this machine.
type Copying struct {
	From, To  string // TASK:PATH or a path of this machine, - for an archive; of the task as in Command
	Container string // "" for the only one
	Follow    bool   // the link that the source is
	Owners    bool   // keep uids and gids
	Stdin     io.Reader
	Stdout    io.Writer
	// Chosen is as in Command, and Moved is told of bytes as they pass. They may be nil.
	Chosen func(task, container, service string)
	Moved  func(n int)

	from, to cp.End
}

// Validate says what is wrong with the two ends, as they are written.
func (c *Copying) Validate() (err error) {
	if c.from, err = cp.ParseEnd(c.From); err != nil {
		return err
	}
	if c.to, err = cp.ParseEnd(c.To); err != nil {
		return err
	}
	switch {
	case c.from.Task != "" && c.to.Task != "":
		return errors.New("both ends are in containers: copy to this machine first, or through a pipe (maitred cp A:PATH - | maitred cp - B:PATH)")
	case c.from.Task == "" && c.to.Task == "":
		return errors.New("neither end is in a container: one of them is TASK:PATH")
	}
	return nil
}

// FromStream and ToStream say whether an end is standard input or output.
func (c *Copying) FromStream() bool { return c.From == cp.Stream }

// ToStream is FromStream of the other end.
func (c *Copying) ToStream() bool { return c.To == cp.Stream }

// Copy asks a running server to copy.
func Copy(ctx context.Context, endpoint string, c Copying) error {
	if err := c.Validate(); err != nil {
		return err
	}
	remote := &cp.Remote{URL: endpoint + copyPath, Task: c.from.Task + c.to.Task, Container: c.Container}
	remote.Opened = func(h http.Header) (task, container string) {
		if c.Chosen != nil && h.Get(headService) != "" {
			c.Chosen(h.Get(headTask), h.Get(headContainer), h.Get(headService))
		}
		return h.Get(headTask), h.Get(headContainer)
	}
	o := cp.Options{Follow: c.Follow, Owners: c.Owners, Stdin: c.Stdin, Stdout: c.Stdout, Moved: c.Moved}
	direction := cp.In
	if c.from.Task != "" {
		direction = cp.Out
	}
	return unanswered(endpoint, direction(ctx, remote, c.from.Path, c.to.Path, o))
}

// copy answers GET /maitred/v1/copy?task=REF&container=NAME&path=PATH by handing the connection to the agent of the task.
func (s *server) copy(w http.ResponseWriter, r *http.Request) {
	choice, container, err := s.choose(r.URL.Query())
	if err != nil {
		s.refusedBy(w, err)
		return
	}
	s.toAgent(w, r, choice, container, agentCopyPath)
}

// serveCopy answers the same on an agent's line: task is an ARN, and container a name.
func (s *server) serveCopy(line *peer.Server, a *agent.Agent, d driver.Driver) {
	line.Handle("GET "+agentCopyPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		id, err := a.Container(r.Context(), q.Get("task"), q.Get("container"))
		if err != nil {
			s.refusedBy(w, err)
			return
		}
		if err := cp.Serve(w, r, d, id); err != nil {
			s.cfg.Log.Debug("files were not copied to their end", "container", id, "error", err)
		}
	}))
}
