package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/exec"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
	"github.com/maitred/maitred/internal/pick"
)

const (
	execPath      = "/maitred/v1/exec" // of a server
	agentExecPath = "/v1/exec"         // of an agent's line

	// The headers that tell which task and container were meant, and whether it was by its service's name.
	headTask      = "Maitred-Task"
	headContainer = "Maitred-Container"
	headService   = "Maitred-Service"
)

// TerminalSize is a terminal's size in characters.
type TerminalSize = driver.Size

// Command is a command for a container. The streams are as in driver.Exec.
type Command struct {
	Task      string // ARN, id, its beginning, or a service's name
	Container string // "" for the only one
	Words     []string
	Terminal  bool
	Size      TerminalSize
	Resize    <-chan TerminalSize
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer
	// Chosen is told what was chosen when it was not the task that was named. It may be nil.
	Chosen func(task, container, service string)
}

// Exec asks a running server to run a command, and gives its exit code.
func Exec(ctx context.Context, endpoint string, c Command) (int, error) {
	q := url.Values{"task": {c.Task}}
	if c.Container != "" {
		q.Set("container", c.Container)
	}
	code, err := exec.Call(ctx, http.DefaultClient, endpoint+execPath+"?"+q.Encode(), driver.Exec{
		Command: c.Words, Terminal: c.Terminal, Size: c.Size, Resize: c.Resize,
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
	}, func(h http.Header) {
		if c.Chosen != nil && h.Get(headService) != "" {
			c.Chosen(h.Get(headTask), h.Get(headContainer), h.Get(headService))
		}
	})
	return code, unanswered(endpoint, err)
}

// unanswered says what to do when nobody listens at an endpoint.
func unanswered(endpoint string, err error) error {
	if bad, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("no maitred answers at %s (is it running? `maitred up`, or --endpoint): %w", endpoint, bad.Err)
	}
	return err
}

// exec answers GET /maitred/v1/exec?task=REF&container=NAME by handing the connection to the agent of the task.
func (s *server) exec(w http.ResponseWriter, r *http.Request) {
	choice, container, err := s.choose(r.URL.Query())
	if err != nil {
		s.refusedBy(w, err)
		return
	}
	s.toAgent(w, r, choice, container, agentExecPath)
}

// choose finds the task and the container that a request's query means.
func (s *server) choose(q url.Values) (pick.Choice, string, error) {
	v := s.store.View()
	choice, err := pick.Task(v, q.Get("task"))
	if err != nil {
		return choice, "", err
	}
	container, err := pick.Container(v, choice.Task, q.Get("container"))
	return choice, container, err
}

// toAgent passes a request on to the agent of a task, which is told the task's ARN and the container's name.
func (s *server) toAgent(w http.ResponseWriter, r *http.Request, choice pick.Choice, container, path string) {
	task := choice.Task
	proxy := &httputil.ReverseProxy{
		Transport:     s.peers,
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			q := p.In.URL.Query()
			q.Set("task", task.ARN)
			q.Set("container", container)
			p.Out.URL = &url.URL{Scheme: "https", Host: task.Machine, Path: path, RawQuery: q.Encode()}
			p.Out.Header.Del("Cookie")
		},
		ModifyResponse: func(answer *http.Response) error {
			answer.Header.Set(headTask, task.ARN)
			answer.Header.Set(headContainer, container)
			if choice.Service != "" {
				answer.Header.Set(headService, choice.Service)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			s.cfg.Log.Warn("an agent cannot be reached", "machine", task.Machine, "error", err)
			s.refused(w, http.StatusBadGateway, &model.Error{
				Code: "TargetNotConnectedException",
				Message: fmt.Sprintf("the agent of task %s cannot be reached from the server: %s%s",
					model.ShortID(task.ARN), err, peerHint(err)),
			})
		},
	}
	proxy.ServeHTTP(w, r)
}

// peerHint says what to do about an agent that does not listen where the server could reach it.
func peerHint(err error) string {
	if errors.Is(err, peer.ErrNoPeer) {
		return ""
	}
	return " (an agent on another machine needs --peer-listen)"
}

// refusedBy answers an error that its caller can act on as such, and any other one as the server's.
func (s *server) refusedBy(w http.ResponseWriter, err error) {
	refusal, ok := errors.AsType[*model.Error](err)
	switch {
	case !ok:
		s.cfg.Log.Error("a request failed", "error", err)
		s.refused(w, http.StatusInternalServerError, &model.Error{Code: "ServerException", Message: err.Error()})
	case refusal.Code == "ResourceNotFoundException":
		s.refused(w, http.StatusNotFound, refusal)
	default:
		s.refused(w, http.StatusBadRequest, refusal)
	}
}

// serveExec answers the same on an agent's line: task is an ARN, and container a name.
func (s *server) serveExec(line *peer.Server, a *agent.Agent, d driver.Driver) {
	line.Handle("GET "+agentExecPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		id, err := a.Container(r.Context(), q.Get("task"), q.Get("container"))
		if err != nil {
			s.refusedBy(w, err)
			return
		}
		if err := exec.Serve(w, r, func(ctx context.Context, e driver.Exec) (int, error) {
			return d.Exec(ctx, id, e)
		}); err != nil {
			s.cfg.Log.Debug("a command was not run to its end", "container", id, "error", err)
		}
	}))
}
