package own

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Store is the store as a process sees it.
type Store struct {
	Up          bool // it answers
	Size, InUse int64
	Quota       int64         // bytes; 0 if unknown
	Lag         time.Duration // until all that was written before is in the view
	Following   bool          // the view follows
	Records     map[string]int
}

// storeTimeout bounds how long a scrape waits for the store.
const storeTimeout = 2 * time.Second

// StoreOf tells of the store at each scrape; ask gives what there is when ctx ends.
func StoreOf(ask func(ctx context.Context) Store) prometheus.Collector {
	return &storeCollector{
		ask:     ask,
		up:      desc("store_up", "Whether the store answers and this process's view of it follows."),
		size:    desc("store_size_bytes", "Size of etcd's database: the file, and what of it is in use.", "of"),
		quota:   desc("store_quota_bytes", "Size at which etcd takes deletions only; absent where it is not known."),
		lag:     desc("store_watch_lag_seconds", "Time until all that the store had when it was asked was in this process's view."),
		records: desc("store_records", "Records of the store in this process's view.", "kind"),
	}
}

func desc(of, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name(of), help, labels, nil)
}

type storeCollector struct {
	ask                           func(ctx context.Context) Store
	up, size, quota, lag, records *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.size, c.quota, c.lag, c.records} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	s := c.ask(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for kind, n := range s.Records {
		gauge(c.records, float64(n), kind)
	}
	if !s.Up || !s.Following {
		gauge(c.up, 0)
		return
	}
	gauge(c.up, 1)
	gauge(c.lag, s.Lag.Seconds())
	gauge(c.size, float64(s.Size), "file")
	gauge(c.size, float64(s.InUse), "in_use")
	if s.Quota > 0 {
		gauge(c.quota, float64(s.Quota))
	}
}

// Kept is how a server's store of metrics is doing.
type Kept struct {
	Series         int
	Bytes, Journal int64
	Dropped        map[string]uint64 // by reason
	Damaged        uint64
}

// KeptIn tells of a store of metrics at each scrape.
func KeptIn(ask func() Kept) prometheus.Collector {
	return &keptCollector{
		ask:     ask,
		series:  desc("metrics_series", "Series of metrics in memory: those with data in the last quarter of an hour."),
		bytes:   desc("metrics_memory_bytes", "Memory that series of metrics take, about."),
		journal: desc("metrics_journal_bytes_total", "Bytes written to the journal of metrics."),
		dropped: desc("metrics_dropped_total", "Measurements that were not kept, by reason.", "reason"),
		damaged: desc("metrics_damaged_total", "Rows and segments of the store of metrics that could not be read."),
	}
}

type keptCollector struct {
	ask                                      func() Kept
	series, bytes, journal, dropped, damaged *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *keptCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.series, c.bytes, c.journal, c.dropped, c.damaged} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *keptCollector) Collect(to chan<- prometheus.Metric) {
	k := c.ask()
	tell := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	tell(c.series, prometheus.GaugeValue, float64(k.Series))
	tell(c.bytes, prometheus.GaugeValue, float64(k.Bytes))
	tell(c.journal, prometheus.CounterValue, float64(k.Journal))
	tell(c.damaged, prometheus.CounterValue, float64(k.Damaged))
	for reason, n := range k.Dropped {
		tell(c.dropped, prometheus.CounterValue, float64(n), reason)
	}
}
