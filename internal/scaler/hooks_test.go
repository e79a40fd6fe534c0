package scaler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// bell is an alarm whose state is set by hand, with URLs that are told of it, in virtual time.
type bell struct {
	t      *testing.T
	store  *store.Store
	began  time.Time
	mu     sync.Mutex
	told   []string // URL, state and how long after the beginning
	log    bytes.Buffer
	lag    time.Duration // of b.example
	slow   bool          // what is told is taken, but not before the leader ends
	refuse atomic.Bool   // of the store, all writes
	deaf   string        // the URL that takes nothing, or not a state
}

func ring(t *testing.T, test func(b *bell)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bell{t: t, began: time.Now()}
		st, err := store.OpenSync(t.Context(), mem.New(mem.Options{Faults: func(*store.Txn) (f mem.Fault) {
			if b.refuse.Load() {
				f.Err = store.ErrNoSpace
			}
			return f
		}}), store.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		b.store = st
		b.update(func(tx *store.Tx, call control.Call) error {
			return control.PutAlarm(tx, call, &model.Alarm{
				Name: "busy", Region: call.Region, ARN: call.Alarm("busy"), ActionsEnabled: true, OKActions: []string{"https://b.example/ok"},
				AlarmActions: []string{"http://a.example/x", "arn:aws:autoscaling:us-east-1:0:scalingPolicy:p", "https://b.example/y"},
				Metric:       &model.Metric{Namespace: "N", Name: "M"}, Statistic: "Sum", Period: 3600, EvaluationPeriods: 1,
				Comparison: model.Greater, TreatMissing: model.MissingIgnore,
			})
		})
		test(b)
	})
}

func (b *bell) update(fn func(*store.Tx, control.Call) error) {
	b.t.Helper()
	call := control.Call{Scope: arn.Scope{Region: "us-east-1", Account: "000000000000"}, Operation: "SetAlarmState", Now: time.Now().UTC()}
	if _, err := b.store.Update(b.t.Context(), func(tx *store.Tx) error { return fn(tx, call) }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bell) set(v model.AlarmValue) {
	b.t.Helper()
	b.update(func(tx *store.Tx, call control.Call) error {
		return control.SetAlarmState(tx, call, "busy", v, "by hand", "")
	})
}

func (b *bell) post(ctx context.Context, url string, body []byte) error {
	var n notice
	if err := json.Unmarshal(body, &n); err != nil {
		return err
	}
	if b.slow {
		<-ctx.Done()
	}
	if strings.HasPrefix(url, "https://b.example/") {
		<-time.After(b.lag)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	told := url + " " + string(n.NewStateValue) + " "
	b.told = append(b.told, told+time.Since(b.began).String())
	if b.deaf != "" && strings.HasPrefix(told, b.deaf+" ") {
		return errors.New("nobody takes it")
	}
	return nil
}

// lead is a leader that takes a turn, and whose webhooks are posted until stop.
func (b *bell) lead() (l *Loop, stop func()) {
	b.t.Helper()
	l = NewLoop(Config{Store: b.store, Metrics: noMetrics{}, Log: slog.New(slog.NewTextHandler(&b.log, nil)), Post: b.post}, nil)
	b.turn(l)
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { l.hooks.run(ctx); close(done) }()
	return l, func() { cancel(); <-done; l.Close() }
}

func (b *bell) turn(l *Loop) {
	b.t.Helper()
	if err := l.Turn(b.t.Context(), time.Now().UTC()); err != nil {
		b.t.Fatal(err)
	}
}

// logged wants so many notices to have been logged as dropped.
func (b *bell) logged(dropped int) {
	b.t.Helper()
	synctest.Wait()
	want := ""
	if dropped > 0 {
		want = "dropped=" + strconv.Itoa(dropped)
	}
	if log := b.log.String(); !strings.Contains(log, want) || want == "" && strings.Contains(log, "dropped=") {
		b.t.Errorf("%d are dropped, logged is %s", dropped, log)
	}
	b.log.Reset()
}

// heard is what was told since it was last asked.
func (b *bell) heard() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told
	b.told = nil
	return told
}

// ignore has a URL take nothing from now on.
func (b *bell) ignore(url string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaf = url
}

func (b *bell) want(told ...string) {
	b.t.Helper()
	if diff := cmp.Diff(told, b.heard()); diff != "" {
		b.t.Error(diff)
	}
}

// noMetrics has none.
type noMetrics struct{ metrics.Reader }

func (noMetrics) Read(metrics.Query) ([]metrics.Point, error) { return nil, nil }

// TestHooks tells URLs of transitions, each once, and by the leader that comes after one that died before it could.
func TestHooks(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		b.set(model.AlarmAlarm)
		died := NewLoop(Config{Store: b.store, Metrics: noMetrics{}, Log: slog.New(slog.DiscardHandler), Post: b.post}, nil)
		b.turn(died) // and posts nothing any more
		died.Close()
		b.want()

		l, stop := b.lead()
		b.want("http://a.example/x ALARM 0s", "https://b.example/y ALARM 0s")
		<-time.After(time.Second)
		b.set(model.AlarmOK)
		b.turn(l)
		b.want("https://b.example/ok OK 1s")
		stop()

		_, stop = b.lead()
		b.want()
		stop()
	})
}

// TestHooksAgain posts again what a URL does not take, to nobody else, keeps the order, and gives it up in the end.
func TestHooksAgain(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		b.ignore("http://a.example/x")
		b.set(model.AlarmAlarm)
		l, stop := b.lead()
		defer stop()
		<-time.After(6 * time.Second)
		b.set(model.AlarmOK)
		b.turn(l)
		<-time.After(10 * time.Second)
		b.want(
			"http://a.example/x ALARM 0s", "https://b.example/y ALARM 0s", "http://a.example/x ALARM 5s",
			"https://b.example/ok OK 6s", "http://a.example/x ALARM 15s",
		)
		b.ignore("https://b.example/ok")
		b.set(model.AlarmAlarm)
		b.set(model.AlarmOK)
		b.turn(l)
		<-time.After(20 * time.Second)
		b.want(
			"https://b.example/y ALARM 16s", "https://b.example/ok OK 16s", "https://b.example/ok OK 21s", "https://b.example/ok OK 31s",
			"http://a.example/x ALARM 35s", "http://a.example/x ALARM 35s",
		)

		<-time.After(3 * time.Hour)
		told := b.heard()
		if n := len(told); n < 10 || n > 30 || slices.ContainsFunc(told, func(s string) bool { return !strings.HasPrefix(s, "https://b.example/ok OK") }) {
			t.Errorf("told %q", told)
		}
		if s := stateOf(b.store.View(), "us-east-1/busy"); len(s.Untold) > 0 {
			t.Errorf("not given up: %+v", s.Untold)
		}
	})
}

// TestHooksOfEvaluations tells of what evaluations find, metric alarms and composite ones.
func TestHooksOfEvaluations(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		b.update(func(tx *store.Tx, call control.Call) error {
			return control.PutAlarm(tx, call, &model.Alarm{
				Name: "down", Region: call.Region, ARN: call.Alarm("down"), ActionsEnabled: true, AlarmActions: []string{"http://a.example/down"},
				Metric: &model.Metric{Namespace: "N", Name: "M"}, Statistic: "Sum", Period: 60, EvaluationPeriods: 1,
				Comparison: model.Greater, TreatMissing: model.MissingBreaching,
			})
		})
		b.update(func(tx *store.Tx, call control.Call) error {
			return control.PutAlarm(tx, call, &model.Alarm{
				Name: "any", Region: call.Region, ARN: call.Alarm("any"), ActionsEnabled: true, AlarmActions: []string{"http://a.example/any"},
				Rule: "ALARM(down)", Children: []string{"down"},
			})
		})
		l, stop := b.lead()
		defer stop()
		b.turn(l)
		told := b.heard()
		slices.Sort(told) // the alarms are told of in no order
		if diff := cmp.Diff([]string{"http://a.example/any ALARM 0s", "http://a.example/down ALARM 0s"}, told); diff != "" {
			t.Error(diff)
		}
	})
}

// TestHooksAtOnce tells of all that a composite alarm becomes in one turn, because what it looks at changes after it.
func TestHooksAtOnce(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		for _, a := range []model.Alarm{
			{Name: "soon", Rule: "ALARM(busy) AND NOT ALARM(then)", AlarmActions: []string{"http://a.example/soon"}, OKActions: []string{"http://a.example/soon"}},
			{Name: "then", Rule: "ALARM(busy)"},
		} {
			b.update(func(tx *store.Tx, call control.Call) error {
				a.Region, a.ARN, a.ActionsEnabled = call.Region, call.Alarm(a.Name), true
				return control.PutAlarm(tx, call, &a)
			})
		}
		l, stop := b.lead()
		defer stop()
		b.turn(l)
		b.want("http://a.example/soon OK 0s")
		b.ignore("http://a.example/soon OK")
		b.set(model.AlarmAlarm)
		<-time.After(time.Minute)
		b.turn(l)
		b.turn(l)
		b.want("http://a.example/x ALARM 1m0s", "https://b.example/y ALARM 1m0s", "http://a.example/soon ALARM 1m0s", "http://a.example/soon OK 1m0s")
		b.ignore("")
		<-time.After(hookPause)
		b.want("http://a.example/soon OK 1m5s")
	})
}

// TestHooksDeaf: a URL that takes nothing keeps nothing from others, and of what waits for it too long is logged what is dropped.
func TestHooksDeaf(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		b.ignore("http://a.example/x")
		b.set(model.AlarmAlarm)
		l, stop := b.lead()
		defer stop()
		b.want("http://a.example/x ALARM 0s", "https://b.example/y ALARM 0s")
		b.set(model.AlarmOK)
		b.set(model.AlarmAlarm)
		b.turn(l)
		<-time.After(hookPause)
		b.want("https://b.example/ok OK 0s", "https://b.example/y ALARM 0s", "http://a.example/x ALARM 5s")
		b.logged(0)
		for range 6 { // of which the other URL hears
			b.set(model.AlarmOK)
			b.set(model.AlarmAlarm)
			b.turn(l)
			<-time.After(hookPauseMax)
		}
		b.logged(0)
		for range 6 { // which are more than wait
			b.set(model.AlarmOK)
			b.set(model.AlarmAlarm)
		}
		b.turn(l)
		b.logged(10)
	})
}

// TestHooksOrder: a URL whose pause ends while others are slow has its order all the same.
func TestHooksOrder(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		b.ignore("http://a.example/x")
		b.set(model.AlarmAlarm)
		l, stop := b.lead()
		defer stop()
		<-time.After(4 * time.Second)
		b.want("http://a.example/x ALARM 0s", "https://b.example/y ALARM 0s")
		b.ignore("")
		b.lag = 2 * time.Second
		b.set(model.AlarmOK)
		b.set(model.AlarmAlarm)
		b.turn(l)
		<-time.After(10 * time.Second)
		b.want("https://b.example/ok OK 6s", "https://b.example/y ALARM 8s", "http://a.example/x ALARM 8s", "http://a.example/x ALARM 8s")
	})
}

// TestHooksUnwritten: while the store refuses that something was told, only that is tried again.
func TestHooksUnwritten(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		b.set(model.AlarmAlarm)
		b.refuse.Store(true)
		_, stop := b.lead()
		defer stop()
		b.want("http://a.example/x ALARM 0s", "https://b.example/y ALARM 0s")
		<-time.After(time.Minute)
		b.want()
		b.refuse.Store(false)
		<-time.After(hookPauseMax)
		b.want()
		if s := stateOf(b.store.View(), "us-east-1/busy"); len(s.Untold) > 0 {
			t.Errorf("not written: %+v", s.Untold)
		}
		if log := b.log.String(); !strings.Contains(log, "cannot be written") {
			t.Errorf("logged is %s", log)
		}
	})
}

// TestHooksEnd: what a leader that ends cannot write any more is no error.
func TestHooksEnd(t *testing.T) {
	t.Parallel()
	ring(t, func(b *bell) {
		b.set(model.AlarmAlarm)
		b.slow = true
		_, stop := b.lead()
		synctest.Wait()
		stop()
		if log := b.log.String(); log != "" {
			t.Errorf("logged is %s", log)
		}
	})
}
