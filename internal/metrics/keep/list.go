package keep

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// recentlyActive is "PT3H", the only value of RecentlyActive in "ListMetrics".
const recentlyActive = 3 * time.Hour

// Filter says which metrics are looked for ("ListMetrics").
type Filter struct {
	Region          string
	Namespace, Name string // "": any
	// Dimensions must all be there.
	Dimensions []DimensionFilter
	// RecentlyActive leaves metrics without data in the last 3 hours out. Without data in 2 weeks, they always are.
	RecentlyActive bool
	After          string // Next of the page before; "": the first page
	Limit          int    // how many at most; 0: 500
}

// DimensionFilter asks for a dimension, of any value or of one.
type DimensionFilter struct {
	Name  string
	Value *string
}

// Page is one page of metrics, ordered by namespace, name and dimensions.
type Page struct {
	Metrics []model.Metric
	Next    string // "": there are no more
}

// ErrPage says that Filter.After is not what a Page gave.
var ErrPage = errors.New("the token of the next page is not valid")

const pageSize = 500

// List lists metrics. A metric that is put for the first time between two pages is on the second if it belongs there.
func (s *Store) List(f Filter) (Page, error) {
	l := lister{Filter: &f, limit: f.Limit, since: s.now().Add(-metrics.MaxPast).Unix(), found: make(map[string]model.Metric)}
	if l.limit <= 0 {
		l.limit = pageSize
	}
	if f.RecentlyActive {
		l.since = s.now().Add(-recentlyActive).Unix()
	}
	after, err := base64.RawURLEncoding.DecodeString(f.After)
	if err != nil {
		return Page{}, ErrPage
	}
	l.after = string(after)
	if err := s.listMemory(&l); err != nil {
		return Page{}, err
	}
	if err := s.disk.list(&l); err != nil {
		return Page{}, s.disk.wrap(err)
	}
	return l.page(), nil
}

type lister struct {
	*Filter
	limit int
	since int64 // Unix time
	after string
	found map[string]model.Metric // by key
}

func (s *Store) listMemory(l *lister) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	for key, m := range s.table {
		last := int64(0)
		for _, st := range m.streams {
			last = max(last, st.last)
		}
		if key > l.after && last >= l.since && l.matches(m.region, &m.Metric) {
			l.found[key] = m.Metric
		}
	}
	return nil
}

// list finds what is only in the database, in the order of keys: one page more than enough.
func (d *database) list(l *lister) error {
	prefix := appendPart(nil, l.Region)
	if l.Namespace != "" {
		prefix = appendPart(prefix, l.Namespace)
	}
	rows, err := d.readers.QueryContext(context.Background(),
		`SELECT key FROM series WHERE key >= max(?, ?) AND key < ? AND last >= ? ORDER BY key`,
		prefix, []byte(l.after), behind(prefix), l.since)
	seen := make(map[string]bool)
	err = each(rows, err, func() error {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return err
		}
		series, n, err := parseSeries(string(key))
		if err != nil {
			return fmt.Errorf("table series: %w", err)
		}
		if k := string(key[:n]); k > l.after && l.matches(series.Region, &series.Metric) {
			l.found[k], seen[k] = series.Metric, true
		}
		if len(seen) > l.limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errEnough = errors.New("a page is full")

func (l *lister) matches(region string, m *model.Metric) bool {
	if region != l.Region || l.Namespace != "" && m.Namespace != l.Namespace || l.Name != "" && m.Name != l.Name {
		return false
	}
	for _, want := range l.Dimensions {
		if !slices.ContainsFunc(m.Dimensions, func(d model.Dimension) bool {
			return d.Name == want.Name && (want.Value == nil || d.Value == *want.Value)
		}) {
			return false
		}
	}
	return true
}

func (l *lister) page() (p Page) {
	keys := slices.Sorted(maps.Keys(l.found))
	if len(keys) > l.limit {
		keys = keys[:l.limit]
		p.Next = base64.RawURLEncoding.EncodeToString([]byte(keys[l.limit-1]))
	}
	for _, k := range keys {
		p.Metrics = append(p.Metrics, l.found[k])
	}
	return p
}
