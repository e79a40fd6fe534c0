package place

import (
	"iter"
	"time"
)

// subject answers what the cluster query language asks about an instance. The EC2 instance id of a machine is its id.
type subject struct{ *instance }

func (s subject) Attribute(name string) (string, bool) { return s.attribute(name) }
func (s subject) AgentConnected() bool                 { return s.on.Connected }
func (s subject) AgentVersion() string                 { return s.on.Version }
func (s subject) EC2InstanceID() string                { return s.on.ID }
func (s subject) RegisteredAt() time.Time              { return s.rec.CreatedAt }
func (s subject) RunningTasksCount() int               { return s.tasks }

func (s subject) Groups() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, h := range s.hosts {
			if !yield(h.group) {
				return
			}
		}
	}
}
