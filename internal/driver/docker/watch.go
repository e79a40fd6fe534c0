package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// overlap is how far the event stream reaches back. The daemon answers the request before it subscribes, so that an
// event could fall between a list and the stream; told twice, it does no harm.
const overlap = 10 * time.Second

// Watch implements driver.Driver.
func (d *Driver) Watch(ctx context.Context, changed func(driver.Status)) error {
	inner, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer cancel()
	w := d.newWatch(changed)
	defer d.endWatch(w)
	box := &inbox{news: map[string]*news{}, wake: make(chan struct{}, 1)}
	stream := d.events(inner, w.begin)
	reader.Go(func() { box.fill(stream) })
	err := w.follow(inner, box)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.Canceled):
		err = fmt.Errorf("Docker did not answer for %v", d.limits.quick)
	}
	return fmt.Errorf("watch containers: %w", err)
}

func (d *Driver) newWatch(changed func(driver.Status)) *watch {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := &watch{
		d: d, changed: changed, begin: time.Now(), before: maps.Clone(d.alive),
		told: map[string]driver.Status{}, starved: map[string]bool{}, forgotten: map[string]bool{},
	}
	d.watches[w] = struct{}{}
	return w
}

func (d *Driver) endWatch(w *watch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.watches, w)
}

// events subscribes to what happens to our containers. Execs, of which health checks make many, are left out.
func (d *Driver) events(ctx context.Context, now time.Time) client.EventsResult {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(d.limits.quick, cancel)
	stream := d.client.Events(ctx, client.EventsListOptions{
		Since: now.Add(-overlap).Format(time.RFC3339Nano),
		Filters: client.Filters{}.Add("type", string(events.ContainerEventType)).
			Add("label", labelScope+"="+d.scope, labelID).
			Add("event", string(events.ActionCreate), string(events.ActionStart), string(events.ActionDie),
				string(events.ActionOOM), string(events.ActionDestroy), string(events.ActionRemove)),
	})
	late.Stop()
	return stream
}

// watch is one Watch; all its maps are by id.
type watch struct {
	d         *Driver
	changed   func(driver.Status)
	begin     time.Time
	before    map[string]driver.Status // alive before the watch began
	told      map[string]driver.Status
	starved   map[string]bool // something in it was killed for its memory
	forgotten map[string]bool // being removed by us; the driver's lock is held for it
}

// follow tells the present state of all, then what the events lead to, until the stream breaks.
func (w *watch) follow(ctx context.Context, box *inbox) error {
	all, err := w.d.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		w.tell(s)
		delete(w.before, s.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(w.before)) {
		w.end(id, w.begin, nil)
	}
	again := time.NewTicker(w.d.limits.resync)
	defer again.Stop()
	for {
		batch, broken := box.take()
		if err := w.look(ctx, batch); err != nil {
			return err
		}
		if broken != nil {
			return broken
		}
		select {
		case <-box.wake:
		case <-again.C:
			if err := w.compare(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// compare finds out what no event has told of: the daemon drops events of those who read slowly, and one that hangs
// keeps its streams open. It costs one call, unless something is different.
func (w *watch) compare(ctx context.Context) error {
	found, err := w.d.summaries(ctx, client.Filters{})
	if err != nil {
		return err
	}
	there := map[string]bool{}
	var changed []string
	for i := range found {
		id := found[i].Labels[labelID]
		there[id] = true
		if s, known := w.told[id]; !known || s.State != stateOf(found[i].State) {
			changed = append(changed, found[i].ID)
		}
	}
	seen, err := w.d.inspectAll(ctx, changed)
	if err != nil {
		return err
	}
	for _, c := range seen {
		if c != nil {
			w.tell(statusOf(c))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.told)) {
		if !there[id] {
			w.end(id, time.Now(), nil)
			if !w.ours(id) {
				w.explain(id, reasonVanished)
			}
			w.drop(id)
		}
	}
	return nil
}

// tell passes on a state that was not told yet.
func (w *watch) tell(s driver.Status) {
	w.d.note(s)
	if last, ok := w.told[s.ID]; ok && same(last, s) {
		return
	}
	w.told[s.ID] = s
	w.changed(s)
}

// look finds out what the containers that there is news of are like now. The events of a start and of an end say it all:
// a question would cost the daemon as much as it takes to wait for what it is doing with the container, and a
// replacement is waiting for the word. Where they do not, the daemon is asked.
func (w *watch) look(ctx context.Context, batch []*news) error {
	var slow []*news
	var ids []string
	for _, n := range batch {
		switch {
		case w.heard(n):
			w.settle(n)
		case n.started || n.died:
			slow, ids = append(slow, n), append(ids, n.runtimeID)
		default:
			w.judge(n, nil)
		}
	}
	seen, err := w.d.inspectAll(ctx, ids)
	if err != nil {
		return err
	}
	for i, n := range slow {
		w.judge(n, seen[i])
	}
	return nil
}

// heard tells the start and the end of a container, if the events say all of it.
func (w *watch) heard(n *news) bool {
	s, known := w.told[n.id]
	switch {
	case known && s.State == driver.Exited:
		// What came before the end is old; a container that somebody started again has to be looked at.
		return !n.started || !n.startedAt.After(s.ExitedAt)
	case n.died && (n.exitCode == nil || n.startedAt.After(n.diedAt)):
		return false
	case known && s.State == driver.Running:
		return !n.died || w.exit(s, n)
	case !known && !n.startedAt.After(w.begin) || !n.started || n.destroyed:
		return false
	}
	return w.begun(s, n)
}

// begun tells the start of a container, and its end if there was one.
func (w *watch) begun(s driver.Status, n *news) bool {
	s.ID, s.RuntimeID, s.State, s.StartedAt = n.id, n.runtimeID, driver.Running, n.startedAt
	if s.Image == "" {
		s.Image = n.image
	}
	w.tell(s)
	return !n.died || w.exit(s, n)
}

// exit tells the end of a running container.
func (w *watch) exit(s driver.Status, n *news) bool {
	s.State, s.ExitedAt, s.ExitCode = driver.Exited, n.diedAt, n.exitCode
	if (n.oom || w.starved[n.id]) && *n.exitCode != 0 {
		s.Reason = reasonMemory
	}
	w.tell(s)
	return true
}

// judge draws the conclusion from the news of a container and from how it is now, nil if it is gone or was not asked for.
func (w *watch) judge(n *news, now *container.InspectResponse) {
	last, known := w.told[n.id]
	switch {
	case now != nil:
		w.tell(statusOf(now))
	case n.died && known && last.State != driver.Exited:
		w.end(n.id, n.at, n.exitCode)
	case n.created && !n.destroyed && !known && n.at.After(w.begin):
		w.tell(driver.Status{ID: n.id, State: driver.Starting, RuntimeID: n.runtimeID, Image: n.image})
	}
	w.settle(n)
}

// settle adds to a container's end what is known of it only afterwards.
func (w *watch) settle(n *news) {
	if n.oom {
		w.starved[n.id] = true
		w.explain(n.id, reasonMemory)
	}
	if n.destroyed {
		w.end(n.id, n.at, n.exitCode)
		if !w.ours(n.id) {
			w.explain(n.id, reasonVanished)
		}
		w.drop(n.id)
	}
}

// explain gives the reason of a SIGKILL that has been told without one.
func (w *watch) explain(id, reason string) {
	s, known := w.told[id]
	if known && s.State == driver.Exited && s.Reason == "" && s.ExitCode != nil && *s.ExitCode == 137 {
		s.Reason = reason
		w.tell(s)
	}
}

// ours says whether we are removing a container.
func (w *watch) ours(id string) bool {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	return w.forgotten[id]
}

// end ends a container that is not there any more, if nobody has seen its end and it was not removed by us.
func (w *watch) end(id string, at time.Time, code *int) {
	w.d.mu.Lock()
	s, alive := w.d.alive[id]
	w.d.mu.Unlock()
	if !alive || w.ours(id) {
		return
	}
	s.State, s.ExitedAt, s.ExitCode, s.Reason = driver.Exited, at, code, reasonVanished
	w.tell(s)
}

// drop forgets a container that was removed.
func (w *watch) drop(id string) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	delete(w.told, id)
	delete(w.starved, id)
	delete(w.forgotten, id)
	delete(w.d.alive, id)
}

// news is what the events say of one container since somebody last looked.
type news struct {
	id, runtimeID, image                   string
	created, started, died, oom, destroyed bool
	exitCode                               *int
	at, startedAt, diedAt                  time.Time // at is the last event's
}

// inbox holds what the event stream brought. It takes everything at once, for the daemon drops the events of those who
// read slowly, and keeps one entry for each container, so that it is bounded.
type inbox struct {
	mu    sync.Mutex
	order []string
	news  map[string]*news // by the daemon's id
	err   error
	wake  chan struct{}
}

// fill reads the stream to its end.
func (b *inbox) fill(stream client.EventsResult) {
	for {
		select {
		case m := <-stream.Messages:
			b.put(m)
		case err, ok := <-stream.Err:
			if !ok || errors.Is(err, io.EOF) {
				err = errors.New("Docker's event stream has ended")
			}
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
			b.poke()
			return
		}
	}
}

func (b *inbox) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put adds an event.
func (b *inbox) put(m events.Message) {
	id := m.Actor.Attributes[labelID]
	if m.Type != events.ContainerEventType || id == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.news[m.Actor.ID]
	if n == nil {
		n = &news{id: id, runtimeID: m.Actor.ID, image: m.Actor.Attributes[labelDigest]}
		b.news[m.Actor.ID] = n
		b.order = append(b.order, m.Actor.ID)
	}
	n.add(m)
	b.poke()
}

func (n *news) add(m events.Message) {
	n.at = time.Unix(0, m.TimeNano)
	switch m.Action {
	case events.ActionCreate:
		n.created = true
	case events.ActionStart:
		n.started, n.startedAt = true, n.at
	case events.ActionOOM:
		n.oom = true
	case events.ActionDie:
		n.died, n.diedAt = true, n.at
		if code, err := strconv.Atoi(m.Actor.Attributes["exitCode"]); err == nil {
			n.exitCode = &code
		}
	case events.ActionDestroy, events.ActionRemove:
		n.destroyed = true
	default:
	}
}

// take gives what has come since it was last called, in order, and why nothing more will come.
func (b *inbox) take() ([]*news, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := make([]*news, len(b.order))
	for i, id := range b.order {
		batch[i] = b.news[id]
	}
	b.order = nil
	clear(b.news)
	return batch, b.err
}
