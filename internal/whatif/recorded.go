package whatif

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Recording is what was measured of a service by the minute; NaN where nothing was.
type Recording struct {
	From                            time.Time
	Requests, CPU, Running, Backlog []float64
}

var last = regexp.MustCompile(`^last-([1-9][0-9]{0,3})(h|d)$`)

// Last understands last-24h and last-7d.
func Last(text string) (time.Duration, error) {
	m := last.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no time: say last-24h or last-7d, or give a file", text)
	}
	n, _ := strconv.Atoi(m[1]) // up to four digits
	d := time.Duration(n) * time.Hour
	if m[2] == "d" {
		d *= 24
	}
	if d > metrics.KeepOne {
		return 0, fmt.Errorf("%s is too long: what was measured by the minute is kept for %d days", text, metrics.KeepOne/(24*time.Hour))
	}
	return d, nil
}

// Record reads what was measured of a service in a time that has ended.
func Record(v *store.View, svc *model.Service, from metrics.Reader, end time.Time, length time.Duration) (*Recording, error) {
	end = end.UTC().Truncate(time.Minute)
	r := &Recording{From: end.Add(-length)}
	of := []model.Dimension{{Name: "ClusterName", Value: arn.Name(svc.Cluster)}, {Name: "ServiceName", Value: svc.Name}}
	read := func(namespace, name, statistic string, dims []model.Dimension) ([]float64, error) {
		points, err := from.Read(metrics.Query{
			Region: svc.Region, Metric: model.Metric{Namespace: namespace, Name: name, Dimensions: dims}, Statistic: statistic,
			Period: time.Minute, Start: r.From, End: end,
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return byMinute(points, r.From, int(length/time.Minute)), nil
	}
	var err error
	if r.CPU, err = read(model.NamespaceECS, "CPUUtilization", model.StatAverage, of); err != nil {
		return nil, err
	}
	if r.Running, err = read(model.NamespaceInsights, "RunningTaskCount", model.StatAverage, of); err != nil {
		return nil, err
	}
	if r.Backlog, err = read(model.NamespaceFast, "Backlog", model.StatAverage, of); err != nil {
		return nil, err
	}
	for _, l := range linksOf(v, svc) {
		one, err := read(model.NamespaceApplication, "RequestCount", model.StatSum,
			[]model.Dimension{{Name: "LoadBalancer", Value: l.balancer}, {Name: "TargetGroup", Value: l.group}})
		if err != nil {
			return nil, err
		}
		r.Requests = plus(r.Requests, one)
	}
	return r, nil
}

func byMinute(points []metrics.Point, from time.Time, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = math.NaN()
	}
	for _, p := range points {
		if i := int(p.At.Sub(from) / time.Minute); i >= 0 && i < n {
			all[i] = p.Value
		}
	}
	return all
}

// plus adds what is known.
func plus(a, b []float64) []float64 {
	if a == nil {
		return b
	}
	for i := range a {
		switch {
		case math.IsNaN(a[i]):
			a[i] = b[i]
		case !math.IsNaN(b[i]):
			a[i] += b[i]
		}
	}
	return a
}

func numbers(values []float64) (n int) {
	for _, v := range values {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// Fit is what recorded CPU says of tasks.
type Fit struct {
	Capacity float64 `json:"capacity"` // requests per second of one task
	Idle     float64 `json:"idleCPU"`  // percent
	// Error is how far the CPU of a minute is from what the model says, in points of percent: the root of the mean square.
	Error   float64 `json:"error"`
	Minutes int     `json:"minutes"` // that it is made of
}

const (
	fitLeast = 10 // minutes
	fitMost  = 95 // percent of CPU: where all of it is used, it says nothing of the load
)

// Fit finds the capacity of a task and the CPU of one that is idle, so that tasks × idle + requests / capacity is nearest to
// the recorded CPU of all tasks (least squares).
func (r *Recording) Fit() (Fit, error) {
	var nn, nr, rr, ny, ry float64 // sums of products of tasks, requests per second and the CPU of all tasks
	var f Fit
	each := func(do func(n, rate, cpu float64)) {
		for i := range r.Requests {
			n, rate, cpu := r.Running[i], r.Requests[i]/minute, r.CPU[i]
			if n > 0 && rate >= 0 && cpu < fitMost { // false for NaN
				do(n, rate, cpu)
			}
		}
	}
	each(func(n, rate, cpu float64) {
		y := n * cpu
		nn, nr, rr, ny, ry = nn+n*n, nr+n*rate, rr+rate*rate, ny+n*y, ry+rate*y
		f.Minutes++
	})
	if f.Minutes < fitLeast || rr == 0 || ry <= 0 {
		return f, fmt.Errorf("%d minutes with requests and less than %d %% CPU were recorded, which is too few to tell what a task "+
			"can do; say it with --capacity (requests per second of one task)", f.Minutes, fitMost)
	}
	perRequest := ry / rr
	if det := nn*rr - nr*nr; det > 1e-6*nn*rr {
		f.Idle = min(max(0, (ny*rr-ry*nr)/det), 90)
		perRequest = (ry - f.Idle*nr) / rr
	}
	if perRequest <= 0 {
		return f, fmt.Errorf("the recorded CPU does not grow with the requests, so it does not tell what a task can do; " +
			"say it with --capacity (requests per second of one task)")
	}
	f.Capacity = (100 - f.Idle) / perRequest
	sum := 0.0
	each(func(n, rate, cpu float64) {
		d := f.Idle + perRequest*rate/n - cpu
		sum += d * d
	})
	f.Error = math.Sqrt(sum / float64(f.Minutes))
	return f, nil
}

// Load is what arrived: requests, else messages by how the backlog changed and what the tasks did meanwhile, else the CPU
// that was used. gaps is how many minutes nothing was recorded; what was before goes on in them.
func (r *Recording) Load(t *Tasks) (l *Load, gaps int, err error) {
	l = &Load{Start: r.From, Step: time.Minute}
	var rates []float64
	switch {
	case numbers(r.Requests) > 0:
		l.Unit, rates = "requests", scaled(r.Requests, 1.0/minute)
	case numbers(r.Backlog) > 0:
		l.Unit, rates = "messages", r.messages(t)
	case numbers(r.CPU) > 0 && numbers(r.Running) > 0:
		l.Unit, rates = "task-seconds", r.work()
	default:
		return nil, 0, fmt.Errorf("nothing was recorded of the service from %s on: neither requests, nor a backlog, nor its CPU",
			r.From.Format(time.RFC3339))
	}
	before := 0.0
	for _, x := range rates {
		if math.IsNaN(x) {
			gaps++
			x = before
		}
		before = min(max(0, x), maxRate)
		l.Rates = append(l.Rates, slices.Repeat([]float64{before}, minute)...)
	}
	return l, gaps, nil
}

func scaled(values []float64, by float64) []float64 {
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = v * by
	}
	return all
}

// messages is what came into a queue per second: what went out, and by how much it grew.
func (r *Recording) messages(t *Tasks) []float64 {
	all := make([]float64, len(r.Backlog))
	before := r.Backlog[0]
	for i, b := range r.Backlog {
		out := r.Running[i] * t.Capacity * max(0, r.CPU[i]-t.Idle) / (100 - t.Idle)
		if r.Running[i] == 0 {
			out = 0
		}
		all[i] = out + (b-before)/minute
		before = b
	}
	return all
}

// work is the CPU of all tasks, in tasks.
func (r *Recording) work() []float64 {
	all := make([]float64, len(r.CPU))
	for i, v := range r.CPU {
		all[i] = r.Running[i] * v / 100
		if r.Running[i] == 0 {
			all[i] = 0
		}
	}
	return all
}

// TaskHours are those of the tasks that ran, -1 if it is not known.
func (r *Recording) TaskHours() float64 {
	if numbers(r.Running) == 0 {
		return -1
	}
	sum := 0.0
	for _, n := range r.Running {
		if !math.IsNaN(n) {
			sum += n
		}
	}
	return sum / 60
}

// MeanCPU is the mean of all tasks, in percent; -1 if it is not known.
func (r *Recording) MeanCPU() float64 {
	sum, tasks := 0.0, 0.0
	for i, v := range r.CPU {
		if n := r.Running[i]; !math.IsNaN(v) && n > 0 {
			sum, tasks = sum+v*n, tasks+n
		}
	}
	if tasks == 0 {
		return -1
	}
	return sum / tasks
}

// First is with how many tasks it begins, -1 if it is not known.
func (r *Recording) First() int {
	for _, n := range r.Running {
		if !math.IsNaN(n) {
			return int(math.Round(n))
		}
	}
	return -1
}

// StartTime is how long the tasks of a service took from the wish for them until they ran: the median. n is of how many it
// is made.
func StartTime(v *store.View, service string) (median time.Duration, n int) {
	var all []time.Duration
	for t := range v.TasksOfService(service) {
		if t.Seen != nil && !t.Seen.StartedAt.IsZero() && !t.CreatedAt.IsZero() && !t.Seen.StartedAt.Before(t.CreatedAt) {
			all = append(all, t.Seen.StartedAt.Sub(t.CreatedAt))
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], len(all)
}
