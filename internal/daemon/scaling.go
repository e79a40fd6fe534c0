package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
	"github.com/maitred/maitred/internal/source"
	"github.com/maitred/maitred/internal/store"
)

// openMetrics opens where a server keeps what is measured.
func (s *server) openMetrics(ctx context.Context, roles *roles) (err error) {
	s.metrics, err = keep.Open(keep.Config{Dir: filepath.Join(s.cfg.DataDir, "metrics"), Now: time.Now, Log: s.cfg.Log})
	if err != nil {
		return fmt.Errorf("open the metrics: %w", err)
	}
	roles.end(s.metrics.Close)
	roles.run(ctx, "metrics", s.metrics.Run)
	return nil
}

// startScaling begins to evaluate alarms, to scale services, and to read how much work waits for them.
func (s *server) startScaling(ctx context.Context, roles *roles) {
	roles.run(ctx, "scaler", func(ctx context.Context) error {
		return scaler.Run(ctx, scaler.Config{Store: s.store, Metrics: s.metrics, IDs: random, Post: post, Log: s.cfg.Log, Told: s.scaled})
	})
	backlogs := &source.Watcher{
		Store: s.store, Put: s.metrics, Now: time.Now, Log: s.cfg.Log, Tell: s.tellService,
		Secrets: func(svc *model.Service) source.Secrets {
			return func(ctx context.Context, name string) (string, error) {
				return s.resolver().Value(ctx, name, svc.Region)
			}
		},
	}
	roles.run(ctx, "backlogs", backlogs.Run)
}

// tellService adds a line to the events of a service (ARN), if it is still there.
func (s *server) tellService(ctx context.Context, service, message string) error {
	_, err := s.store.Update(ctx, func(tx *store.Tx) error {
		if svc, ok := tx.View().Service(service); ok {
			control.NoteServiceEvents(tx, svc, time.Now().UTC(), random, message)
		}
		return nil
	})
	return err
}

// hookTimeout is how long somebody who is told of an alarm may take to answer.
const hookTimeout = 5 * time.Second

// post tells a URL of an alarm. Any answer of success will do.
func post(ctx context.Context, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("it was answered with %s", answer.Status)
	}
	return nil
}
