package fellow

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// HistoryPath is where a server tells what it has kept.
const HistoryPath = "/v1/metrics/history"

// Archive is where a server keeps metrics.
type Archive interface {
	metrics.Putter
	// Since lists the series that have data at or after a time.
	Since(at time.Time) ([]metrics.Series, error)
	// Export gives what is kept of a series from start until end as Put took it.
	Export(series metrics.Series, start, end time.Time) ([]metrics.Datum, error)
	// Flush makes room for more.
	Flush() error
}

// measured says whether servers measure a series themselves: what clients put goes from box to box.
func measured(s *metrics.Series) bool {
	return strings.HasPrefix(s.Namespace, "AWS/") || s.Namespace == model.NamespaceFast || s.Namespace == model.NamespaceInsights
}

// History is an http.Handler of GET ?from=UNIX&to=UNIX: what a server measured in that time, in lines of JSON: each has data of
// one series, and a series has as many lines as it needs.
type History struct {
	Archive Archive
	Log     *slog.Logger

	most int // bytes of a line, about; 0: lineBytes
}

// lineBytes is how long a line becomes, about: far less than lineMax, as no more than one datum is beyond it.
const lineBytes = 4 << 20

// ServeHTTP implements http.Handler.
func (h *History) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	to, failed := strconv.ParseInt(r.URL.Query().Get("to"), 10, 64)
	if err = errors.Join(err, failed); err != nil || from > to {
		http.Error(w, "from and to are times in seconds since 1970", http.StatusBadRequest)
		return
	}
	start, end := time.Unix(from, 0), time.Unix(to, 0)
	series, err := h.Archive.Since(start)
	if err != nil {
		h.Log.Warn("what another server asked for could not be read", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	lines := json.NewEncoder(w)
	for i := range series {
		if !measured(&series[i]) {
			continue
		}
		data, err := h.Archive.Export(series[i], start, end)
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // where there is none, the connection's end ends it
		for some := range pieces(data, cmp.Or(h.most, lineBytes)) {
			if err == nil {
				err = lines.Encode(some)
			}
		}
		if err != nil {
			h.Log.Debug("what another server asked for was not told wholly", "error", err)
			panic(http.ErrAbortHandler) // an end in order would say that this was all
		}
	}
}

// pieces cuts data into such as have no more than so many bytes as JSON, but for a single datum that has more by itself.
func pieces(data []metrics.Datum, most int) iter.Seq[[]metrics.Datum] {
	return func(yield func([]metrics.Datum) bool) {
		from, size := 0, 0
		for i := range data {
			one := sizeOf(&data[i])
			if i > from && size+one > most {
				if !yield(data[from:i]) {
					return
				}
				from, size = i, 0
			}
			size += one
		}
		if from < len(data) {
			yield(data[from:])
		}
	}
}

// The most bytes that the parts of a datum have as JSON: a number of 64 bits with its comma; the names of the members with
// the other numbers and the time; and a character of a text, which may be escaped.
const (
	numberBytes = 25
	datumBytes  = 400
	textBytes   = 6
)

func sizeOf(d *metrics.Datum) int {
	texts := len(d.Region) + len(d.Namespace) + len(d.Name) + len(d.Unit)
	for _, x := range d.Dimensions {
		texts += len(x.Name) + len(x.Value) + numberBytes // with the names of its members
	}
	return datumBytes + textBytes*texts + numberBytes*(len(d.Values)+len(d.Counts))
}

// Filler asks another server for what this one did not measure while it was away. What there is already is left as it is.
type Filler struct {
	Store   *store.Store
	Self    string
	Archive Archive
	Client  *http.Client
	// From and To are between which times data may be missing. What is measured from To on, this server measures itself, and the
	// minute that To is in (meter.Config.From): so none is counted twice.
	From, To time.Time
	Now      func() time.Time
	Log      *slog.Logger
}

// When others are asked: when what was measured until To has come here and there, then again and again while none answers.
// fresh is since when one has to have been heard of.
const (
	fillAfter = 20 * time.Second
	fillAgain = time.Minute
	fresh     = 3 * time.Minute
)

// Fill returns when all is here that another server has, or nobody is there who could have it; else the error says that ctx
// has ended.
func (f *Filler) Fill(ctx context.Context) error {
	for pause := fillAfter; ; pause = fillAgain {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		others := f.others()
		if len(others) == 0 {
			return nil
		}
		for _, id := range others {
			n, err := f.ask(ctx, id)
			if err == nil {
				f.Log.Info("what was measured while this server was away was read from another one", "server", id, "from", f.From, "measurements", n)
				return nil
			}
			f.Log.Debug("what was measured while this server was away could not be read", "server", id, "error", err)
		}
	}
}

// others are the servers that are there, those that have been for the longest first.
func (f *Filler) others() (ids []string) {
	var found []*model.Server
	for s := range f.Store.View().Servers() {
		if s.ID != f.Self && s.Connected && s.Peer != nil && f.Now().Sub(s.SeenAt) < fresh {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b *model.Server) int { return a.JoinedAt.Compare(b.JoinedAt) })
	for _, s := range found {
		ids = append(ids, s.ID)
	}
	return ids
}

// ask reads what a server has, and gives how many measurements were missing.
func (f *Filler) ask(ctx context.Context, server string) (n int, err error) {
	q := url.Values{"from": {strconv.FormatInt(f.From.Unix(), 10)}, "to": {strconv.FormatInt(f.To.Unix(), 10)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+HistoryPath+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return 0, err
	}
	answer, err := f.Client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%w (%s)", ErrRefused, answer.Status)
	}
	return f.fill(answer.Body)
}

// flushAfter is after how many measurements room is made: years of minutes do not fit into memory at once.
const flushAfter = 100_000

func (f *Filler) fill(from io.Reader) (n int, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMax)
	flush := flushAfter
	known := here{}
	for lines.Scan() {
		var data []metrics.Datum
		if err := json.Unmarshal(lines.Bytes(), &data); err != nil {
			return n, fmt.Errorf("what another server measured: %w", err)
		}
		missing, err := f.missing(&known, data)
		if err != nil {
			return n, err
		}
		f.Archive.Put(missing)
		if n += len(missing); n >= flush {
			flush += flushAfter
			if err := f.Archive.Flush(); err != nil {
				return n, err
			}
		}
	}
	return n, lines.Err()
}

// missing are the data, all of one series, of times of which there is none here.
func (f *Filler) missing(h *here, data []metrics.Datum) ([]metrics.Datum, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if err := h.look(f, &data[0].Series); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(data, func(d metrics.Datum) bool { return f.own(&d) || h.has(&d) }), nil
}

// own says that this server measures it itself.
func (f *Filler) own(d *metrics.Datum) bool {
	to := f.To
	if d.Resolution != 1 {
		to = to.Truncate(time.Minute)
	}
	return !d.At.Before(to)
}

// here is what was here of a series before anything of it was filled in. It comes in several pieces, and what came in one is not to
// be taken for what was here when the next one comes.
type here struct {
	series  *metrics.Series
	periods map[period]bool
}

type period struct {
	at         int64
	resolution int
}

// look looks up a series, unless it is the one of the last time.
func (h *here) look(f *Filler, s *metrics.Series) error {
	if h.series != nil && reflect.DeepEqual(*h.series, *s) {
		return nil
	}
	known, err := f.Archive.Export(*s, f.From.Truncate(time.Minute), f.To.Add(time.Minute))
	if err != nil {
		return err
	}
	series := *s // it is in the data, of which what is here is taken out
	h.series, h.periods = &series, map[period]bool{}
	for i := range known {
		at := known[i].At.Unix()
		h.periods[period{at, known[i].Resolution}] = true
		h.periods[period{at - at%60, 60}] = true // by the second here, and by the minute there, where that is older
		if known[i].Resolution != 1 {
			h.periods[period{at, whole}] = true // and the other way round
		}
	}
	return nil
}

// whole is the resolution of a minute that is here as such, and has no seconds any more.
const whole = 0

func (h *here) has(d *metrics.Datum) bool {
	at := d.At.Unix()
	return h.periods[period{at, d.Resolution}] || h.periods[period{at - at%60, whole}]
}
