package source

import (
	"context"
	"net/url"
	"regexp"
	"strings"
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

// tell tells the service's events how it is with its backlog, unless that is what they told last. Other servers read it too, and
// may find it otherwise, so that it is read is told by who failed to read it before, or has just begun; and that it is not, once
// for each time that somebody told that it was.
func (r *reading) tell(ctx context.Context, message string) {
	before, last := r.said, r.toldLast()
	r.said = message
	if message == last || message == before && last != readAgain {
		return
	}
	r.Log.Warn("the backlog of a service", "service", r.svc.ARN, "told", message)
	if err := r.Tell(ctx, r.svc.ARN, message); err != nil && ctx.Err() == nil {
		r.said = before // it is tried again
		r.Log.Error("an event of a service cannot be told", "service", r.svc.ARN, "error", err)
	}
}

// toldLast is what the events of the service told of its backlog last: of one that always was read, nothing was.
func (r *reading) toldLast() string {
	for e := range r.Store.View().Events(r.svc.ARN) { // the newest first
		if _, text, _ := strings.Cut(e.Message, ") "); strings.HasPrefix(text, ofBacklog) {
			return text
		}
	}
	return readAgain
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
