package top_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gdamore/tcell/v3"

	"github.com/maitred/maitred/internal/top"
)

// rig is a view on a terminal that remembers what was drawn last, and a source that remembers what was asked.
type rig struct {
	sync.Mutex // of all but the channels
	events     chan tcell.Event
	columns    int
	drawing    []string // until Show
	drawn      []string
	asked      []top.Ask
	answer     func(context.Context) error
	ended      chan error
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{events: make(chan tcell.Event), columns: 80, ended: make(chan error, 1), answer: func(context.Context) error { return nil }}
	source := func(ctx context.Context, ask top.Ask) (top.Snapshot, error) {
		r.Lock()
		r.asked = append(r.asked, ask)
		answer := r.answer
		r.Unlock()
		snap := snapshot()
		snap.At = time.Now()
		return snap, answer(ctx)
	}
	go func() { r.ended <- top.Run(t.Context(), source, snapshot(), r) }()
	synctest.Wait()
	return r
}

// A rig is the terminal too.

func (r *rig) EventQ() chan tcell.Event { return r.events }

func (r *rig) Size() (columns, rows int) {
	r.Lock()
	defer r.Unlock()
	return r.columns, 10
}

func (r *rig) Clear() {
	r.Lock()
	defer r.Unlock()
	r.drawing = make([]string, 10)
}

func (r *rig) PutStrStyled(_, y int, text string, _ tcell.Style) {
	r.Lock()
	defer r.Unlock()
	r.drawing[y] = text
}

func (r *rig) Show() {
	r.Lock()
	defer r.Unlock()
	r.drawn = r.drawing
}

func (r *rig) press(key tcell.Key, text string) {
	r.events <- tcell.NewEventKey(key, text, tcell.ModNone)
	synctest.Wait()
}

func (r *rig) typed(text string) {
	for _, c := range text {
		r.press(tcell.KeyRune, string(c))
	}
}

func (r *rig) screen() string {
	r.Lock()
	defer r.Unlock()
	return strings.Join(r.drawn, "\n")
}

// questions are all that was asked.
func (r *rig) questions() []top.Ask {
	r.Lock()
	defer r.Unlock()
	return slices.Clone(r.asked)
}

func (r *rig) shows(t *testing.T, want string) {
	t.Helper()
	if text := r.screen(); !strings.Contains(text, want) {
		t.Errorf("there is no %q in\n%s", want, text)
	}
}

// after lets time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestRefresh asks once a second for what the page needs, and at once when that changes.
func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.shows(t, "3 services")
		if len(r.questions()) != 0 {
			t.Errorf("asked %d times before a second has passed", len(r.questions()))
		}
		after(3500 * time.Millisecond)
		if want := make([]top.Ask, 3); !slices.Equal(r.questions(), want) {
			t.Errorf("asked %+v, want three times for services", r.questions())
		}
		r.press(tcell.KeyEnter, "")
		if asked := r.questions(); len(asked) != 4 || asked[3].Service != "arn:api" {
			t.Errorf("asked %+v, want the tasks at once", asked)
		}
		r.shows(t, "0123456789abc")
		r.typed("m")
		r.shows(t, "cellar")
		r.typed("q")
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

// TestSlowAndAway: there is one question at a time, what is known stays, and keys work on.
func TestSlowAndAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		release := make(chan error)
		r.Lock()
		r.answer = func(ctx context.Context) error {
			select {
			case err := <-release:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		r.Unlock()
		after(5 * time.Second)
		if len(r.questions()) != 1 {
			t.Errorf("asked %d times, want once: it is not answered", len(r.questions()))
		}
		r.typed("?")
		r.shows(t, "this help")
		r.typed("?")
		release <- errors.New("no maitred answers")
		synctest.Wait()
		r.shows(t, "no news since 12:00:00: no maitred answers")
		r.shows(t, "api")
		after(time.Second)
		release <- nil
		synctest.Wait()
		if strings.Contains(r.screen(), "no news") {
			t.Error("the trouble is over and still shown")
		}
		after(time.Second) // a question is open when it ends
		close(r.events)
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

// TestResize draws anew, for the size that there is then.
func TestResize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		if strings.Contains(r.screen(), "LAST SCALING") {
			t.Errorf("80 columns have room for too much:\n%s", r.screen())
		}
		r.Lock()
		r.columns = 140
		r.Unlock()
		r.events <- tcell.NewEventResize(140, 10)
		synctest.Wait()
		r.shows(t, "LAST SCALING")
		r.press(tcell.KeyCtrlC, "")
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

// TestKeys tells keys of a terminal: what is typed into a filter does nothing else.
func TestKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.typed("s")
		r.shows(t, "s sort (cpu)")
		r.typed("/mq")
		r.shows(t, "/mq_")
		r.press(tcell.KeyBackspace2, "")
		r.press(tcell.KeyEscape, "")
		r.events <- tcell.NewEventKey(tcell.KeyRune, "q", tcell.ModAlt)
		synctest.Wait()
		r.press(tcell.KeyDown, "")
		r.press(tcell.KeyRight, "")
		r.shows(t, "service default/api")
		r.press(tcell.KeyLeft, "")
		r.shows(t, "3 services")
		r.press(tcell.KeyCtrlD, "")
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

// TestGone ends with the error of a terminal that is gone.
func TestGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, gone := start(t), errors.New("gone")
		r.events <- tcell.NewEventError(gone)
		if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "gone") {
			t.Errorf("got %v, want %v", err, gone)
		}
	})
}
