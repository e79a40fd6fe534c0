package agent

import (
	"context"
	"fmt"
)

// Container gives the driver's id of the newest attempt of a container of a task (ARN).
func (a *Agent) Container(ctx context.Context, task, container string) (id string, err error) {
	if err := a.ask(ctx, func(l *loop) {
		if e := l.tasks[task]; e != nil {
			id = e.newest(container)
		}
	}); err != nil {
		return "", err
	}
	if id == "" {
		return "", fmt.Errorf("agent: the container %q of %s has not been started here", container, task)
	}
	return id, nil
}
