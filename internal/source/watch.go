package source

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The names of the metrics that are published, in the namespace model.NamespaceFast with the dimensions ClusterName and
// ServiceName.
const (
	// Backlog is how many things wait.
	Backlog = "Backlog"
	// BacklogPerTask is how many wait for each running task; for one, if none runs.
	BacklogPerTask = "BacklogPerTask"
)

const (
	every = time.Second
	// lead is when in each second a source is read: a moment before its end, as who scales looks a moment after it.
	lead      = 850 * time.Millisecond
	patience  = 900 * time.Millisecond // for one reading
	lastPause = 30 * time.Second       // between attempts at a source that fails
)

// Watcher reads the backlogs of all services that have the tag.
type Watcher struct {
	Store   *store.Store
	Put     metrics.Putter
	Secrets func(svc *model.Service) Secrets
	// Tell adds a line to the events of a service (ARN): a source that cannot be read, or can again.
	Tell func(ctx context.Context, service, message string) error
	Now  func() time.Time
	Log  *slog.Logger

	open func(ctx context.Context, tag string, secrets Secrets) (Source, error) // nil: Open
}

// Run reads until ctx ends. A source that cannot be read is told of in the service's events, and tried again.
func (w *Watcher) Run(ctx context.Context) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher := w.Store.Watch(model.KindService)
	defer watcher.Close()
	running := map[string]reader{} // by service
	for {
		_, _, view := watcher.Snapshot()
		w.follow(ctx, view, running, &readers)
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.C():
		}
	}
}

// reader is a goroutine that reads one source.
type reader struct {
	url  string
	stop context.CancelFunc
}

// follow starts and stops readers, so that there is one for each service with the tag.
func (w *Watcher) follow(ctx context.Context, view *store.View, running map[string]reader, readers *sync.WaitGroup) {
	wanted := map[string]*model.Service{}
	for c := range view.Clusters() {
		for svc := range view.Services(c.ARN) {
			if tagOf(svc) != "" && svc.Status == model.Active {
				wanted[svc.ARN] = svc
			}
		}
	}
	for arn, r := range running {
		if svc := wanted[arn]; svc == nil || tagOf(svc) != r.url {
			r.stop()
			delete(running, arn)
		}
	}
	for arn, svc := range wanted {
		if _, ok := running[arn]; ok {
			continue
		}
		each, stop := context.WithCancel(ctx)
		running[arn] = reader{url: tagOf(svc), stop: stop}
		readers.Go(func() { w.read(each, svc) })
	}
}

func tagOf(svc *model.Service) string {
	for _, t := range svc.Tags {
		if t.Key == Tag {
			return t.Value
		}
	}
	return ""
}

// read reads the source of a service until ctx ends, or its tag is wrong.
func (w *Watcher) read(ctx context.Context, svc *model.Service) {
	r := &reading{Watcher: w, svc: svc}
	if err := Check(tagOf(svc)); err != nil {
		r.tell(ctx, wrongTag(err))
		return
	}
	defer r.close()
	r.poll(ctx)
}

// publish puts what was read, with the number of tasks that run now.
func (w *Watcher) publish(svc *model.Service, backlog float64) {
	view, now := w.Store.View(), w.Now()
	tasks := 0
	for t := range view.TasksOfService(svc.ARN) {
		if t.LastStatus() == model.TaskRunning {
			tasks++
		}
	}
	datum := func(name string, v float64) metrics.Datum {
		return metrics.Datum{
			Series: metrics.Series{Region: svc.Region, Unit: "Count", Metric: model.Metric{
				Namespace: model.NamespaceFast, Name: name,
				Dimensions: []model.Dimension{{Name: "ClusterName", Value: model.ShortID(svc.Cluster)}, {Name: "ServiceName", Value: svc.Name}},
			}},
			At: now, Stats: metrics.One(v), Values: []float64{v}, Counts: []float64{1}, Resolution: 1,
		}
	}
	w.Put.Put([]metrics.Datum{datum(Backlog, backlog), datum(BacklogPerTask, backlog/float64(max(1, tasks)))})
}
