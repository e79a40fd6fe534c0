package source

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// What the events of a service tell of its backlog. All begin in the same way, by which the last one is found again: it says
// what people know already, also after a restart and whichever server it was that told it.
const (
	ofBacklog = "its backlog "
	readAgain = ofBacklog + "is read again"
)

func wrongTag(err error) string {
	return ofBacklog + "cannot be read, so nothing is scaled by it; correct its tag " + Tag + ": " + err.Error()
}

func notRead(err error) string {
	return ofBacklog + "is not read, and nothing is scaled by it until it is (it is tried again): " + steady(err.Error())
}

// ownPort is our side of a connection, another one with each attempt.
var ownPort = regexp.MustCompile(`[^ ]+:[0-9]+->`)

// steady is what a failure says each time that it is the same one.
func steady(text string) string { return ownPort.ReplaceAllString(text, "") }

// tell tells the service's events how it is with its backlog, unless that is what they told last. That it is read is not told
// of one that always was.
func (w *Watcher) tell(ctx context.Context, svc *model.Service, message string) {
	last := readAgain
	for e := range w.Store.View().Events(svc.ARN) { // the newest first
		if _, text, _ := strings.Cut(e.Message, ") "); strings.HasPrefix(text, ofBacklog) {
			last = text
			break
		}
	}
	if message == last {
		return
	}
	w.Log.Warn("the backlog of a service", "service", svc.ARN, "told", message)
	if err := w.Tell(ctx, svc.ARN, message); err != nil && ctx.Err() == nil {
		w.Log.Error("an event of a service cannot be told", "service", svc.ARN, "error", err)
	}
}

// discreet is a source whose errors do not tell its secrets.
type discreet struct {
	Source
	hide *strings.Replacer
}

// keepsSecret makes a source discreet that has secrets.
func keepsSecret(from Source, s *spec) Source {
	var pairs []string
	for name := range s.secrets {
		if v := s.values[name]; v != "" {
			pairs = append(pairs, v, "(secret)", url.QueryEscape(v), "(secret)")
		}
	}
	if len(pairs) == 0 {
		return from
	}
	return &discreet{from, strings.NewReplacer(pairs...)}
}

// Read implements Source.
func (d *discreet) Read(ctx context.Context) (float64, error) {
	v, err := d.Source.Read(ctx)
	if err != nil {
		return 0, &hidden{err, d.hide.Replace(err.Error())}
	}
	return v, nil
}

// hidden is an error in other words.
type hidden struct {
	error
	text string
}

// Error implements error.
func (h *hidden) Error() string { return h.text }

// Unwrap gives the error itself.
func (h *hidden) Unwrap() error { return h.error }
