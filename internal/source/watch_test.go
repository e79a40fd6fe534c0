package source_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/source"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// put hands on what is published.
type put chan metrics.Datum

// Put implements metrics.Putter.
func (p put) Put(data []metrics.Datum) {
	for _, d := range data {
		p <- d
	}
}

const cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/default"

// TestWatcher follows a service whose tag changes, while tasks come and go.
func TestWatcher(t *testing.T) {
	t.Parallel()
	answers := func(n int) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `{"n":%d}`, n) }))
		t.Cleanup(srv.Close)
		return "json+" + srv.URL + " value=/n"
	}
	s, err := store.Open(t.Context(), mem.New(mem.Options{}), store.Scope{})
	must(t, err)
	t.Cleanup(s.Close)
	data := make(put)
	w := &source.Watcher{
		Store: s, Put: data, Now: time.Now, Log: slog.New(slog.DiscardHandler), Tell: func(context.Context, string, string) error { return nil },
		Secrets: func(*model.Service) source.Secrets { return none },
	}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- w.Run(ctx) }()

	svc := model.Service{ARN: "arn:aws:ecs:us-east-1:000000000000:service/default/web", Name: "web", Cluster: cluster, Region: "us-east-1", Status: model.Active}
	write := func(records ...model.Record) {
		t.Helper()
		_, err := s.Update(t.Context(), func(tx *store.Tx) error {
			for _, r := range records {
				tx.Put(r)
			}
			return nil
		})
		must(t, err)
	}
	tagged := func(url string) *model.Service {
		next := svc
		next.Tags = []model.Tag{{Key: source.Tag, Value: url}}
		return &next
	}
	// The numbers come every second; those of before a change may still be on their way.
	comes := func(name string, value float64) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			select {
			case d := <-data:
				if d.Name == name && d.Sum == value {
					if got := d.String(); got != "Maitred "+name+" ClusterName=default ServiceName=web" || d.Resolution != 1 || d.Region != "us-east-1" {
						t.Errorf("got %s %+v", got, d)
					}
					return
				}
			case <-deadline:
				t.Fatalf("%s %v does not come", name, value)
			}
		}
	}
	write(&model.Cluster{ARN: cluster, Name: "default", Region: "us-east-1"}, tagged(answers(12)))
	comes(source.Backlog, 12)
	comes(source.BacklogPerTask, 12)
	for _, id := range []string{"a", "b", "c"} {
		write(
			&model.Task{ARN: "arn:aws:ecs:us-east-1:000000000000:task/default/" + id, Machine: "m", Service: svc.ARN, Cluster: cluster, Desired: model.TaskRunning},
			&model.Observed{Machine: "m", Task: "arn:aws:ecs:us-east-1:000000000000:task/default/" + id, Status: model.TaskRunning},
		)
	}
	comes(source.BacklogPerTask, 4)
	second := answers(30)
	write(tagged(second))
	comes(source.BacklogPerTask, 10)
	closed := tagged(second)
	closed.Status = model.Inactive
	write(closed)
	stop()
	for {
		select {
		case <-data:
			continue
		case err := <-over:
			must(t, err)
		}
		break
	}
}
