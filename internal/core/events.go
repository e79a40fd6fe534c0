package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Topics of events of which the same text is not said twice in a row.
const (
	topicPlacement = "placement"
	topicThrottle  = "throttle"
	topicStuck     = "stuck"
	topicProtected = "protected"
)

const troubleshooting = " For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."

// sorted gives the distinct strings in order.
func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// event adds a line to the service's events; the oldest one beyond the hundred goes ("Service event messages").
func (w *work) event(text string) { w.line("(service " + w.svc.Name + ")" + text) }

func (w *work) line(message string) {
	w.state.LastEvent++
	w.stateChanged = true
	w.change.Puts = append(w.change.Puts, &model.ServiceEvent{
		ID: w.in.IDs.UUID(), Service: w.svc.ARN, Number: w.state.LastEvent, At: w.in.Now,
		Message: message,
	})
	if old := w.state.LastEvent - model.MaxServiceEvents; old > 0 {
		w.change.Deletes = append(w.change.Deletes, model.EventKey(w.svc.ARN, old))
	}
}

// say is event for what would otherwise be said again and again: the same text on a topic is left out until the topic
// is resolved or the time for duplicates is over.
func (w *work) say(topic, text string) {
	last, said := w.state.Said[topic]
	if said && last.Message == text && w.in.Now.Before(last.At.Add(w.in.Timings.DuplicateEvents)) {
		return
	}
	w.remember(topic, &model.Saying{Message: text, At: w.in.Now})
	w.event(text)
}

// resolve ends a topic: what is said on it next is news.
func (w *work) resolve(topic string) {
	if _, said := w.state.Said[topic]; said {
		w.remember(topic, nil)
	}
}

// remember replaces the map of sayings, for the one in the view must not change.
func (w *work) remember(topic string, saying *model.Saying) {
	said := make(map[string]model.Saying, len(w.state.Said)+1)
	maps.Copy(said, w.state.Said)
	delete(said, topic)
	if saying != nil {
		said[topic] = *saying
	}
	w.state.Said = said
	w.stateChanged = true
}

// taskIDs lists tasks as events do: " (task ID) (task ID)".
func taskIDs[T interface{ TaskARN() string }](tasks []T) string {
	var b strings.Builder
	for _, t := range tasks {
		b.WriteString(" (task " + model.ShortID(t.TaskARN()) + ")")
	}
	return b.String()
}

// describeEnd says in a sentence how a task ended.
func describeEnd(t model.TaskState) string {
	var parts []string
	for _, c := range t.Seen.Containers {
		switch {
		case c.ExitCode != nil:
			parts = append(parts, fmt.Sprintf("container %s exited with code %d", c.Name, *c.ExitCode))
		case c.Reason != "":
			parts = append(parts, "container "+c.Name+": "+c.Reason)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, t.Seen.StopReason)
	}
	end := strings.Join(parts, ", ")
	if t.EverRan() {
		return end + " after running for " + max(0, t.Seen.StoppedAt.Sub(t.Seen.StartedAt)).Round(time.Millisecond).String()
	}
	return end + " without having run"
}
