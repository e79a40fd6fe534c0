package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

const credentialsPath = "/v2/credentials/"

// World is what the endpoints are about: the tasks of this machine.
type World interface {
	// Facts finds a task by its id. ok is false for one that is none of this machine's, or over.
	Facts(task string) (f Facts, ok bool)
	// Tags are those of a task's container instance.
	Tags(f Facts) []model.Tag
	// Containers tells the newest attempts of a task's containers, by name.
	Containers(ctx context.Context, f Facts) (map[string]driver.Status, error)
	// Measure tells what the containers of this machine use at the moment.
	Measure(ctx context.Context) (Measurement, error)
	// Credentials are those of a role (ARN) for a task (ARN).
	Credentials(ctx context.Context, role, task string) (Credentials, error)
	// Protection tells until when a task (ARN) is protected from scale-in, or why it cannot be, in the word of ECS.
	Protection(task string) (until time.Time, failure string)
	// Protect sets that time; zero takes the protection away.
	Protect(ctx context.Context, task string, until time.Time) (failure string, err error)
}

// Config is what a Handler is made of. All members are needed.
type Config struct {
	Key   *Key
	World World
	Now   func() time.Time
	Log   *slog.Logger
}

// Handler answers at all doors.
type Handler struct {
	Config
	history history
}

// New makes a handler.
func New(c Config) *Handler { return &Handler{Config: c} }

// At gives what is served at a door.
func (h *Handler) At(d Door) http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]func(http.ResponseWriter, *http.Request, Facts, string){
		"":              h.container,
		"/task":         h.task,
		"/taskWithTags": h.taskWithTags,
		"/stats":        h.stats,
		"/task/stats":   h.taskStats,
	} {
		mux.HandleFunc("GET /v4/{id}"+path, h.called(answer))
	}
	const protection = "/api/{id}/task-protection/v1/state"
	mux.HandleFunc("GET "+protection, h.called(h.protection))
	mux.HandleFunc("PUT "+protection, h.called(h.protect))
	mux.HandleFunc("GET "+credentialsPath+"{id}", func(w http.ResponseWriter, r *http.Request) { h.credentials(w, r, d) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { h.unknown(w) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forwarded(r) {
			h.answer(w, http.StatusForbidden, "forwarded requests are not answered")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// forwarded tells requests that a proxy passed on: a task that can be made to fetch a URL must not give away what is
// only its own.
func forwarded(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
		if _, ok := r.Header[name]; ok {
			return true
		}
	}
	return false
}

// unknown is the one answer to an id that is none, is another's, or is asked for from another address.
func (h *Handler) unknown(w http.ResponseWriter) { h.answer(w, http.StatusNotFound, "not found") }

// called finds the task and the container that call, by the id and the address that they call from.
func (h *Handler) called(answer func(http.ResponseWriter, *http.Request, Facts, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		f, address, ok := h.find(r, id)
		if ok {
			for i := range f.Definition.Containers {
				name := f.Definition.Containers[i].Name
				if same(id, h.Key.Container(f.ARN, name, address)) {
					answer(w, r, f, name)
					return
				}
			}
		}
		h.unknown(w)
	}
}

// find gives the task that an id begins with, and the address that its ids are made of: the caller's, if the task has an
// address of its own.
func (h *Handler) find(r *http.Request, id string) (f Facts, address string, ok bool) {
	task, _, _ := strings.Cut(id, "-")
	f, ok = h.World.Facts(task)
	if !ok || f.Definition == nil {
		return f, "", false
	}
	if f.Network != nil && !f.Plain {
		if address, _, _ = net.SplitHostPort(r.RemoteAddr); address == "" {
			return f, "", false
		}
	}
	return f, address, true
}

func (h *Handler) container(w http.ResponseWriter, r *http.Request, f Facts, name string) {
	containers, ok := h.containers(w, r, f)
	if !ok {
		return
	}
	for _, c := range Describe(f, containers).Containers {
		if c.Name == name {
			h.answer(w, http.StatusOK, c)
			return
		}
	}
}

func (h *Handler) task(w http.ResponseWriter, r *http.Request, f Facts, _ string) {
	if containers, ok := h.containers(w, r, f); ok {
		h.answer(w, http.StatusOK, Describe(f, containers))
	}
}

func (h *Handler) taskWithTags(w http.ResponseWriter, r *http.Request, f Facts, _ string) {
	if containers, ok := h.containers(w, r, f); ok {
		t := Describe(f, containers)
		t.TaskTags, t.ContainerInstanceTags = tags(f.TaskState.Tags), tags(h.World.Tags(f))
		h.answer(w, http.StatusOK, t)
	}
}

func (h *Handler) stats(w http.ResponseWriter, r *http.Request, f Facts, name string) {
	if all, ok := h.measure(w, r, f); ok {
		h.answer(w, http.StatusOK, all[name].stats)
	}
}

func (h *Handler) taskStats(w http.ResponseWriter, r *http.Request, f Facts, _ string) {
	all, ok := h.measure(w, r, f)
	if !ok {
		return
	}
	out := map[string]*Stats{}
	for _, m := range all {
		if m.id != "" {
			out[m.id] = m.stats
		}
	}
	h.answer(w, http.StatusOK, out)
}

// measured is a container of a task.
type measured struct {
	id    string // the runtime's
	stats *Stats // nil if it does not run
}

// measure gives the statistics of a task's containers by name.
func (h *Handler) measure(w http.ResponseWriter, r *http.Request, f Facts) (map[string]measured, bool) {
	containers, ok := h.containers(w, r, f)
	if !ok {
		return nil, false
	}
	now, err := h.World.Measure(r.Context())
	if err != nil {
		h.failed(w, "containers could not be measured", err)
		return nil, false
	}
	before := h.history.take(now)
	out := make(map[string]measured, len(containers))
	for name, s := range containers {
		out[name] = measured{s.RuntimeID, stats(before, now, s, memoryLimit(f, name))}
	}
	return out, true
}

// memoryLimit is the narrowest limit of a container's memory, in bytes: its own, the task's, or the machine itself.
func memoryLimit(f Facts, name string) int64 {
	limit := f.Memory
	for _, mib := range []int{f.Definition.Memory, f.Definition.Container(name).Memory} {
		if mib > 0 && (limit == 0 || mib < limit) {
			limit = mib
		}
	}
	return int64(limit) << 20
}

func (h *Handler) containers(w http.ResponseWriter, r *http.Request, f Facts) (map[string]driver.Status, bool) {
	all, err := h.World.Containers(r.Context(), f)
	if err != nil {
		h.failed(w, "the driver did not answer", err)
		return nil, false
	}
	for name := range all {
		if f.Definition.Container(name) == nil {
			delete(all, name)
		}
	}
	return all, true
}

func (h *Handler) failed(w http.ResponseWriter, what string, err error) {
	h.Log.Warn("a request of the metadata endpoint failed", "what", what, "error", err)
	h.answer(w, http.StatusInternalServerError, what)
}

func (h *Handler) answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		h.Log.Error("the metadata endpoint has an answer that is no JSON", "error", err)
		status, text = http.StatusInternalServerError, []byte(`"internal error"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked may have gone
}

// problem is how the credentials endpoint refuses.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (h *Handler) credentials(w http.ResponseWriter, r *http.Request, d Door) {
	id := r.PathValue("id")
	f, address, ok := h.find(r, id)
	switch {
	case !ok || f.Definition.TaskRole == "" || !same(id, h.Key.Credentials(f.ARN, address)):
		h.answer(w, http.StatusBadRequest, problem{"InvalidIdInRequest", "CredentialsV2Request: ID not found"})
		return
	case !d.WellKnown && !same(r.Header.Get("Authorization"), h.Key.Token(f.ARN)):
		h.answer(w, http.StatusForbidden, problem{"AccessDenied", "the Authorization is not that of AWS_CONTAINER_AUTHORIZATION_TOKEN"})
		return
	}
	c, err := h.World.Credentials(r.Context(), f.Definition.TaskRole, f.ARN)
	if err != nil {
		h.Log.Warn("a task gets no credentials", "task", f.ARN, "role", f.Definition.TaskRole, "error", err)
		h.answer(w, http.StatusInternalServerError, problem{"InternalServerError", "the credentials of " + f.Definition.TaskRole + " cannot be had; maitred's log says why"})
		return
	}
	h.answer(w, http.StatusOK, c)
}

// protectionAnswer is one of three ("Amazon ECS task scale-in protection endpoint").
type protectionAnswer struct {
	Protection *protection `json:"protection,omitempty"`
	Failure    *failure    `json:"failure,omitempty"`
	Error      *refusal    `json:"error,omitempty"`
}

type protection struct {
	ExpirationDate    *time.Time
	ProtectionEnabled bool
	TaskArn           string
}

type failure struct {
	Arn    string
	Detail *string
	Reason string
}

type refusal struct{ Arn, Code, Message string }

// Limits of task scale-in protection ("Amazon ECS task scale-in protection endpoint").
const (
	protectionMinutes    = 120
	maxProtectionMinutes = 2880
	maxBody              = 4 << 10
)

func (h *Handler) protection(w http.ResponseWriter, _ *http.Request, f Facts, _ string) {
	until, why := h.World.Protection(f.ARN)
	h.protected(w, f.ARN, until, why)
}

func (h *Handler) protect(w http.ResponseWriter, r *http.Request, f Facts, _ string) {
	minutes, wrong := readProtection(http.MaxBytesReader(w, r.Body, maxBody))
	if wrong != "" {
		h.answer(w, http.StatusBadRequest, protectionAnswer{Error: &refusal{f.ARN, "InvalidParameterException", wrong}})
		return
	}
	var until time.Time
	if minutes > 0 {
		until = h.Now().UTC().Add(time.Duration(minutes) * time.Minute)
	}
	why, err := h.World.Protect(r.Context(), f.ARN, until)
	if err != nil {
		h.Log.Warn("a task could not be protected", "task", f.ARN, "error", err)
		h.answer(w, http.StatusInternalServerError, protectionAnswer{Error: &refusal{f.ARN, "ServerException", "the store did not take the change"}})
		return
	}
	h.protected(w, f.ARN, until, why)
}

func (h *Handler) protected(w http.ResponseWriter, task string, until time.Time, why string) {
	if why != "" {
		h.answer(w, http.StatusOK, protectionAnswer{Failure: &failure{Arn: task, Reason: why}})
		return
	}
	p := &protection{TaskArn: task}
	if h.Now().Before(until) {
		until = until.UTC().Truncate(time.Second)
		p.ProtectionEnabled, p.ExpirationDate = true, &until
	}
	h.answer(w, http.StatusOK, protectionAnswer{Protection: p})
}

// readProtection reads a request: for how many minutes, 0 to take the protection away; or what is wrong with it.
func readProtection(body io.Reader) (minutes int, wrong string) {
	var in struct {
		ProtectionEnabled *bool
		ExpiresInMinutes  *int
	}
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return 0, "UpdateTaskProtection: failed to decode request"
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return 0, "UpdateTaskProtection: failed to decode request"
	}
	if in.ProtectionEnabled == nil {
		return 0, "Invalid request: does not contain 'ProtectionEnabled' field"
	}
	minutes = protectionMinutes
	if in.ExpiresInMinutes != nil {
		minutes = *in.ExpiresInMinutes
	}
	if minutes < 1 || minutes > maxProtectionMinutes {
		return 0, "expiresInMinutes should be between 1 and 2880"
	}
	if !*in.ProtectionEnabled {
		minutes = 0
	}
	return minutes, ""
}
