// Package own is what a process of maitred tells Prometheus of itself: its runtime, the API that it answers, the loops that
// it leads, its view of the store, and the metrics that it keeps. What was measured of tasks and load balancers is not here
// (package meter).
//
// Names follow "Metric and label naming" of Prometheus: seconds and bytes, _total for what only grows.
package own

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Process counts what a process does. It is safe for concurrent use.
type Process struct {
	registry *prometheus.Registry
	embedded prometheus.Gatherer // of the libraries that this process embeds; nil for none

	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	leads    *prometheus.GaugeVec
	turns    *prometheus.HistogramVec
	changes  *prometheus.CounterVec
	follows  *prometheus.GaugeVec
}

// New makes the counters of a process, given the version of its build.
func New(version string) *Process {
	p := &Process{
		registry: prometheus.NewRegistry(),
		requests: counters("api_requests_total", "Requests to the AWS APIs by operation, and by the code of the error that was answered; OK for none.",
			"service", "operation", "code"),
		duration: histograms("api_request_duration_seconds", "Time until a request to the AWS APIs was answered.",
			[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, "service", "operation"),
		leads: gauges("leader", "Whether this process leads: the scheduler, the scaler, or the issuer of certificates.", "of"),
		turns: histograms("turn_duration_seconds", "Time that a turn of a loop took: to decide, and to write what was decided.",
			[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}, "loop"),
		changes: counters("decisions_total", "Decisions by the loop that took them, and what became of them: those refused are taken anew.",
			"loop", "outcome"),
	}
	p.follows = gauges("server_followed", "Whether what another server is given of metrics is read.", "server")
	build := gauges("build_info", "1, with the version of the build.", "version", "goversion")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	p.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, p.requests, p.duration, p.leads, p.turns, p.changes, p.follows,
	)
	return p
}

func name(of string) string { return "maitred_" + of }

func counters(of, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(of), Help: help}, labels)
}

func gauges(of, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name(of), Help: help}, labels)
}

func histograms(of, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name(of), Help: help, Buckets: buckets}, labels)
}

// API counts a request: code is that of the error, "" for none; service and operation are "" where there is no such thing.
func (p *Process) API(service, operation, code string, took time.Duration) {
	if code == "" {
		code = "OK"
	}
	p.requests.WithLabelValues(service, operation, code).Inc()
	p.duration.WithLabelValues(service, operation).Observe(took.Seconds())
}

// Leads notes whether the process leads a loop now.
func (p *Process) Leads(of string, now bool) { p.leads.WithLabelValues(of).Set(truth(now)) }

// Follows notes whether another server is read now.
func (p *Process) Follows(server string, now bool) { p.follows.WithLabelValues(server).Set(truth(now)) }

func truth(so bool) float64 {
	if so {
		return 1
	}
	return 0
}

// Turn counts a turn of a loop.
func (p *Process) Turn(loop string, took time.Duration) {
	p.turns.WithLabelValues(loop).Observe(took.Seconds())
}

// Decisions counts decisions of a loop that had the same outcome.
func (p *Process) Decisions(loop, outcome string, n int) {
	if n > 0 {
		p.changes.WithLabelValues(loop, outcome).Add(float64(n))
	}
}

// Embed adds what an embedded etcd tells of itself. Call it before the first Write.
func (p *Process) Embed(from prometheus.Gatherer) { p.embedded = from }

// Add adds what is asked for at each Write.
func (p *Process) Add(c prometheus.Collector) error {
	if err := p.registry.Register(c); err != nil {
		return fmt.Errorf("tell of more: %w", err)
	}
	return nil
}

// Write writes all as text.
func (p *Process) Write(to io.Writer) error {
	families, err := p.registry.Gather()
	if p.embedded != nil {
		more, failed := p.embedded.Gather()
		err = errors.Join(err, failed)
		for _, f := range more {
			if strings.HasPrefix(f.GetName(), "etcd_") && !strings.HasPrefix(f.GetName(), "etcd_debugging_") {
				families = append(families, f)
			}
		}
	}
	return errors.Join(err, write(to, families)) // what could be gathered is written
}

func write(to io.Writer, families []*dto.MetricFamily) error {
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(to, f); err != nil {
			return fmt.Errorf("write %s: %w", f.GetName(), err)
		}
	}
	return nil
}
