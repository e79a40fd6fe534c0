package agent

import (
	"context"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// box is a task's sandbox that nobody needs any more. It is freed as soon as nothing of the task is alive, and until that
// has worked; then the task's address may be another one's.
type box struct {
	task  string // id
	e     *entry // nil if the task was over before the agent began
	busy  bool
	tried bool
	alarm alarm
	pause backoff
}

// vacate frees what the containers of a task shared, which are over, and lets its life know.
func (l *loop) vacate(e *entry) {
	e.freeing = true
	l.stale = l.stale || e.holdings.Attachment != nil
	if e.boxed {
		l.free(e.id, e)
		return
	}
	l.addresses.Drop(e.id)
	e.life.Released()
	l.touch(e)
}

// evict frees what is left of a task that the store does not have any more.
func (l *loop) evict(e *entry) {
	if e.boxed {
		l.free(e.id, e)
		return
	}
	l.addresses.Drop(e.id)
	l.unkeep(e.arn)
}

// free has the driver release a task's sandbox.
func (l *loop) free(task string, e *entry) {
	b := l.boxes[task]
	if b == nil {
		b = &box{task: task, e: e, pause: backoff{first: time.Second, last: time.Minute}}
		b.alarm = newAlarm(func() { l.unbox(b) })
		l.boxes[task] = b
	}
	l.unbox(b)
}

// left is called whenever something of a task is gone.
func (l *loop) left(task string) {
	if b := l.boxes[task]; b != nil {
		l.unbox(b)
	}
}

// inhabited says that something of a task may be alive.
func (l *loop) inhabited(b *box) bool {
	if b.e != nil && len(b.e.starts) > 0 {
		return true
	}
	for id := range l.strays {
		if task, _, _, ok := lifecycle.ParseID(id); ok && task == b.task {
			return true
		}
	}
	return false
}

func (l *loop) unbox(b *box) {
	if b.busy || l.inhabited(b) {
		return
	}
	l.alarms.set(&b.alarm, time.Time{})
	b.busy = true
	l.stops.add(func() func() {
		ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
		defer cancel()
		err := l.driver.Release(ctx, b.task)
		return func() { l.unboxed(b, err) }
	})
}

func (l *loop) unboxed(b *box, err error) {
	b.busy, b.tried = false, true
	if err != nil {
		l.log.Warn("the sandbox of a task could not be released; it is tried again", "task", b.task, "error", err)
		l.alarms.set(&b.alarm, l.now().Add(b.pause.next()))
		return
	}
	delete(l.boxes, b.task)
	l.addresses.Release(b.task, l.now())
	if e := l.ids[b.task]; e != nil && e.life != nil {
		e.life.Released()
		l.touch(e)
		return
	}
	for task := range l.ledger.kept {
		if model.ShortID(task) == b.task {
			l.unkeep(task)
		}
	}
}

// reclaim frees the sandboxes of tasks that are over, or that the store does not have.
func (l *loop) reclaim(sandboxes []string) {
	for _, id := range sandboxes {
		e := l.ids[id]
		switch {
		case l.undefined[id] != nil: // it may be alive
		case e == nil || e.life == nil:
			l.free(id, e)
		default:
			e.boxed = true
		}
	}
}

// hold keeps the addresses of the sandboxes that there are, and those of the tasks that are not over, from being chosen.
func (l *loop) hold(view *store.View, sandboxes []string) {
	there := make(map[string]bool, len(sandboxes))
	for _, id := range sandboxes {
		there[id] = true
	}
	for t := range view.TasksOnMachine(l.a.config.Machine.ID) {
		given := l.holdingsOf(t)
		if !t.Stopped() {
			l.pool.Adopt(t.ARN, given.Bindings)
		}
		if id := model.ShortID(t.ARN); !t.Stopped() || there[id] {
			l.addresses.Adopt(id, given.Attachment)
		}
	}
	for task, given := range l.ledger.kept {
		l.addresses.Adopt(model.ShortID(task), given.Attachment)
	}
}

// settleLedger forgets what tasks were given that are over. Their addresses rest, as if they were given back just now.
func (l *loop) settleLedger() {
	for task := range l.ledger.kept {
		id := model.ShortID(task)
		if e := l.tasks[task]; (e == nil || e.life == nil) && l.undefined[id] == nil && l.boxes[id] == nil {
			l.addresses.Release(id, l.now())
			l.unkeep(task)
		}
	}
}
