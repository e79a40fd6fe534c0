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

	"github.com/maitred/maitred/internal/top"
)

// rig is a view on a terminal that remembers what was drawn last, and a source that remembers what was asked.
type rig struct {
	sync.Mutex // of drawn, asked and answer
	input      chan []byte
	sizes      chan top.Size
	drawn      []top.Line
	asked      []top.Ask
	answer     func(context.Context) error
	ended      chan error
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{input: make(chan []byte), sizes: make(chan top.Size), ended: make(chan error, 1), answer: func(context.Context) error { return nil }}
	source := func(ctx context.Context, ask top.Ask) (top.Snapshot, error) {
		r.Lock()
		r.asked = append(r.asked, ask)
		answer := r.answer
		r.Unlock()
		snap := snapshot()
		snap.At = time.Now()
		return snap, answer(ctx)
	}
	draw := func(lines []top.Line) error { //nolint:unparam // a terminal that is there
		r.Lock()
		defer r.Unlock()
		r.drawn = lines
		return nil
	}
	go func() {
		r.ended <- top.Run(t.Context(), source, snapshot(), top.Terminal{Input: r.input, Sizes: r.sizes, Draw: draw})
	}()
	r.sizes <- top.Size{Columns: 80, Rows: 10}
	synctest.Wait()
	return r
}

func (r *rig) press(keys string) {
	r.input <- []byte(keys)
	synctest.Wait()
}

func (r *rig) screen() string {
	r.Lock()
	defer r.Unlock()
	return shown(r.drawn)
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
		r.press("\r")
		if asked := r.questions(); len(asked) != 4 || asked[3].Service != "arn:api" {
			t.Errorf("asked %+v, want the tasks at once", asked)
		}
		r.shows(t, "0123456789abc")
		r.press("m")
		r.shows(t, "cellar")
		r.press("q")
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
		r.press("?")
		r.shows(t, "this help")
		r.press("?")
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
		close(r.input)
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

// TestUndrawable ends with the error of a terminal that is gone.
func TestUndrawable(t *testing.T) {
	t.Parallel()
	sizes := make(chan top.Size, 1)
	sizes <- top.Size{Columns: 80, Rows: 24}
	gone := errors.New("gone")
	err := top.Run(t.Context(), nil, snapshot(), top.Terminal{Sizes: sizes, Draw: func([]top.Line) error { return gone }})
	if !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}
