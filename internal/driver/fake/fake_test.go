package fake_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/drivertest"
	"github.com/maitred/maitred/internal/driver/fake"
	"github.com/maitred/maitred/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, func(*testing.T) drivertest.Harness {
		m := fake.New(fake.Config{Script: script})
		return drivertest.Harness{
			Connect: func(*testing.T) driver.Driver { return m.Connect() },
			Container: func(words ...string) model.ContainerDefinition {
				return model.ContainerDefinition{Name: "main", Image: "program", Command: words}
			},
			Command: func(words ...string) []string { return words },
			Absent:  model.ContainerDefinition{Name: "main", Image: "absent"},
			Break:   func(*testing.T) { m.Break() }, NoStreams: true, Dir: "/",
		}
	})
}

// script acts like the suite's test program.
func script(spec driver.Spec) fake.Behaviour {
	if spec.Definition.Image == "absent" {
		return fake.Behaviour{StartError: &driver.Failure{
			Name: "CannotPullContainerError", Err: errors.New("there is no image absent"),
		}}
	}
	words := spec.Definition.Command
	acts := fake.Behaviour{OnExec: exec}
	switch words[0] {
	case "exit":
		acts.Exits, acts.ExitCode = true, number(words[1])
	case "stubborn":
		acts.OnSignal, acts.Log = fake.Ignore, "ready\n"
	case "trap":
		names := map[string]string{"terminated": "SIGTERM", "hangup": "SIGHUP", "user defined signal 1": "SIGUSR1"}
		acts.Log = "ready\n"
		acts.OnSignal = func(signal string) (int, bool) { return number(words[2]), signal == names[words[1]] }
	case "print":
		acts.Exits, acts.Log = true, strings.Join(words[1:], "\n")+"\n"
	case "flood":
		acts.Exits, acts.Log = true, strings.Repeat(strings.Repeat("x", 99)+"\n", number(words[1]))
	}
	return acts
}

func exec(ctx context.Context, words []string) (int, []byte, error) {
	switch words[0] {
	case "exit":
		return number(words[1]), nil, nil
	case "print":
		return 0, []byte(words[1] + "\n"), nil
	}
	<-ctx.Done()
	return 0, nil, ctx.Err()
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func TestExitsByItsClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := fake.New(fake.Config{Script: func(driver.Spec) fake.Behaviour {
			return fake.Behaviour{Exits: true, After: time.Hour, ExitCode: 3}
		}})
		began := time.Now()
		d := m.Connect()
		if _, err := d.Start(t.Context(), driver.Spec{ID: "a"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var end driver.Status
		_ = d.Watch(ctx, func(s driver.Status) {
			if s.State == driver.Exited {
				end = s
				cancel()
			}
		})
		if end.ExitCode == nil || *end.ExitCode != 3 || end.ExitedAt.Sub(began) != time.Hour {
			t.Errorf("the end is %+v, want code 3 one hour after the start", end)
		}
	})
}

func TestTheTestControlsIt(t *testing.T) {
	t.Parallel()
	m := fake.New(fake.Config{Script: func(driver.Spec) fake.Behaviour { return fake.Behaviour{HangsOnKill: true} }})
	d := m.Connect()
	for _, id := range []string{"a", "b"} {
		if _, err := d.Start(t.Context(), driver.Spec{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	m.SetHealth("a", false)
	if code, _, err := driver.Output(t.Context(), d, "a", []string{"check"}); code != 1 || err != nil {
		t.Errorf("Exec in an unhealthy container = %d, %v, want 1", code, err)
	}
	m.SetHealth("a", true)
	if code, _, err := driver.Output(t.Context(), d, "a", []string{"check"}); code != 0 || err != nil {
		t.Errorf("Exec in a healthy container = %d, %v, want 0", code, err)
	}
	if err := d.Kill(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if !m.Exit("a", 4) || m.Exit("a", 5) || !m.Vanish("b") {
		t.Error("Exit of a hanging container, Exit again, Vanish: want true, false, true")
	}
	all, _ := d.List(t.Context())
	if len(all) != 2 || *all[0].ExitCode != 4 || all[1].ExitCode != nil || all[1].Reason == "" {
		t.Errorf("List = %+v, want a with code 4 and b with none but a reason", all)
	}
	if m.Started() != 2 {
		t.Errorf("Started = %d, want 2", m.Started())
	}
}

func TestSandboxes(t *testing.T) {
	t.Parallel()
	trouble := errors.New("busy")
	m := fake.New(fake.Config{
		Script: func(spec driver.Spec) fake.Behaviour {
			if spec.Definition.Image == "absent" {
				return fake.Behaviour{StartError: errors.New("there is no image")}
			}
			return fake.Behaviour{Pull: time.Second}
		},
		Fault: func(call, task string) error {
			if call+" "+task == "secure broken" {
				return trouble
			}
			return nil
		},
	})
	d := m.Connect()
	box := driver.Sandbox{Task: "t"}
	s, err := d.Start(t.Context(), driver.Spec{ID: "a", Sandbox: box})
	if err != nil || s.PullStoppedAt.Sub(s.PullStartedAt) != time.Second {
		t.Errorf("Start = %+v, %v, want a pull of a second", s, err)
	}
	box.Memory = 5 // the sandbox stays as the first start made it
	_, _ = d.Start(t.Context(), driver.Spec{ID: "b", Sandbox: box})
	_, _ = d.Start(t.Context(), driver.Spec{
		ID: "c", Sandbox: driver.Sandbox{Task: "broken"}, Definition: model.ContainerDefinition{Image: "absent"},
	})
	rules := []model.FirewallRule{{Protocol: "tcp"}}
	if err := d.Secure(t.Context(), "t", rules); err != nil {
		t.Errorf("Secure = %v", err)
	}
	if err := d.Secure(t.Context(), "broken", rules); !errors.Is(err, trouble) {
		t.Errorf("Secure that fails = %v, want %v", err, trouble)
	}
	got, ok := m.Sandbox("t")
	if want := (driver.Sandbox{Task: "t", Rules: rules}); !ok || cmp.Diff(want, got) != "" {
		t.Errorf("Sandbox = %+v, want %+v", got, want)
	}
	if ids, err := d.Sandboxes(t.Context()); !slices.Equal(ids, []string{"broken", "t"}) || err != nil {
		t.Errorf("Sandboxes = %v, %v, want that of the failed start too", ids, err)
	}
	if err := d.Release(t.Context(), "t"); err == nil {
		t.Error("Release while containers run = nil, want an error")
	}
	m.Exit("a", 0)
	m.Exit("b", 0)
	for range 2 {
		if err := d.Release(t.Context(), "t"); err != nil {
			t.Errorf("Release = %v", err)
		}
	}
	if _, ok := m.Sandbox("t"); ok || m.Made("t") != 1 {
		t.Errorf("after Release it is there: %v, made %d times, want no and once", ok, m.Made("t"))
	}
}
