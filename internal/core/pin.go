package core

import (
	"maps"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// pin binds the images of the current deployments to the digests that their tasks have found behind them, so that all
// tasks of a deployment run the same ("Container image resolution"). Of tasks that found different ones, the first counts.
func (w *work) pin() {
	for _, d := range append([]*model.Deployment{w.primary}, w.older...) {
		def, ok := w.TaskDefinition(d.TaskDefinition)
		if !ok || bound(def, d.Images) {
			continue
		}
		if found := w.resolved(d, def); len(found) > len(d.Images) {
			if w.pinned == nil {
				w.pinned = map[string]map[string]string{}
			}
			w.pinned[d.ID] = found
		}
	}
}

// bound says that the digests of all images of a definition are known that are to be known.
func bound(def *model.TaskDefinition, images map[string]string) bool {
	for i := range def.Containers {
		if c := &def.Containers[i]; pinnable(c) && images[c.Name] == "" {
			return false
		}
	}
	return true
}

// pinnable says that a container's image shall be bound to a digest: its definition does not wish otherwise, and names
// none itself.
func pinnable(c *model.ContainerDefinition) bool {
	return !c.Unpinned && !strings.Contains(c.Image, "@")
}

// resolved gives the digests that a deployment is bound to, together with those that its tasks have found since.
func (w *work) resolved(d *model.Deployment, def *model.TaskDefinition) map[string]string {
	images, by := maps.Clone(d.Images), map[string]model.TaskState{}
	for t := range w.TasksOfService(w.svc.ARN) {
		if t.Deployment != d.ID || t.Seen == nil {
			continue
		}
		for i := range t.Seen.Containers {
			seen := &t.Seen.Containers[i]
			c := def.Container(seen.Name)
			first, known := by[seen.Name]
			if d.Images[seen.Name] != "" || c == nil || !pinnable(c) || !strings.HasPrefix(seen.Image, "sha256:") ||
				known && !t.CreatedAt.Before(first.CreatedAt) {
				continue
			}
			if images == nil {
				images = map[string]string{}
			}
			images[seen.Name], by[seen.Name] = seen.Image, t
		}
	}
	return images
}

// images are the digests that a new task of a deployment is bound to; what is not known yet, its agent resolves.
func (w *work) images(d *model.Deployment) map[string]string {
	if found := w.pinned[d.ID]; found != nil {
		return found
	}
	return d.Images
}

// written is a deployment as it is to be written, nil if it has not changed. Digests are no progress of a deployment, and
// do not count as an update.
func (w *work) written(d *model.Deployment) *model.Deployment {
	e, found := w.edited[d.ID], w.pinned[d.ID]
	if found == nil {
		return e
	}
	if e == nil {
		same := *d
		e = &same
	}
	e.Images = found
	return e
}
