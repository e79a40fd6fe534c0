package etcd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The kill test runs the test binary again as a victim: an embedded member with several writers, each of which counts
// up in several records at once and says so on a pipe after each commit. It is killed with SIGKILL at a random moment,
// and the next victim in the same directory has to show, before it writes on, what it found.
const (
	victimEnv = "MAITRED_TEST_VICTIM" // directory of the victim
	killsEnv  = "MAITRED_TEST_KILLS"  // number of kills, in all
	writers   = 6
	pieces    = 4 // records of a transaction
)

// counterKey and counter are one of the records that a writer counts up in.
func counterKey(writer, piece int) model.Key {
	return model.FamilyKey(strconv.Itoa(writer), strconv.Itoa(piece))
}

func counter(writer, piece, n int) *model.Family {
	return &model.Family{Region: strconv.Itoa(writer), Name: strconv.Itoa(piece), Last: n}
}

// victim is the program that is killed.
func victim(dir string) int {
	if err := bleed(context.Background(), dir, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		return 1
	}
	return 0
}

func bleed(ctx context.Context, dir string, out io.Writer) error {
	b, err := Embed(ctx, Member{Dir: dir})
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, b, store.Scope{})
	if err != nil {
		return err
	}
	var lines sync.Mutex
	say := func(format string, args ...any) {
		lines.Lock()
		defer lines.Unlock()
		fmt.Fprintf(out, format, args...)
	}
	for x := range s.View().All() {
		f := x.Record.(*model.Family)
		say("found %s %s %d\n", f.Region, f.Name, f.Last)
	}
	if _, err := s.Elect(ctx, "leader"); err != nil {
		return err
	}
	say("serving\n")
	failed := make(chan error)
	for w := range writers {
		go func() { failed <- count(ctx, s, w, say) }()
	}
	return <-failed
}

// count commits transactions for ever.
func count(ctx context.Context, s *store.Store, writer int, say func(string, ...any)) error {
	for {
		n := 0
		_, err := s.Update(ctx, func(tx *store.Tx) error {
			r, _, ok := tx.View().Get(counterKey(writer, 0))
			if ok {
				n = r.(*model.Family).Last
			}
			n++
			for p := range pieces {
				tx.Put(counter(writer, p, n))
			}
			return nil
		})
		if err != nil {
			return err
		}
		say("done %d %d\n", writer, n)
	}
}

// ledger is what the test knows of a directory.
type ledger struct {
	done [writers]int // acknowledged
}

// life runs one victim, checks what it found, and kills it a while after it began to serve. It gives the number of
// acknowledged transactions and the time from its start until it served.
func (l *ledger) life(t *testing.T, dir string) (acknowledged int, ready time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	stuck := time.AfterFunc(2*time.Minute, kill)
	defer stuck.Stop()
	var found [writers][pieces]int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch f := strings.Fields(lines.Text()); f[0] {
		case "found":
			found[number(t, f[1])][number(t, f[2])] = number(t, f[3])
		case "serving":
			ready = time.Since(begin)
			l.compare(t, &found)
			defer time.AfterFunc(rand.N(150*time.Millisecond), kill).Stop() //nolint:gocritic // there is one such line
		case "done":
			l.done[number(t, f[1])] = number(t, f[2])
			acknowledged++
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Errorf("the victim ended by itself: %v", err)
	}
	if ready == 0 {
		t.Error("the victim did not serve")
	}
	return acknowledged, ready
}

// compare checks what a victim found: of each writer all that was acknowledged, at most one more that was not, and
// nothing half.
func (l *ledger) compare(t *testing.T, found *[writers][pieces]int) {
	t.Helper()
	for w := range found {
		for p := range found[w] {
			if found[w][p] != found[w][0] {
				t.Errorf("writer %d: a transaction is there by half: %v", w, found[w])
			}
		}
		if got := found[w][0]; got < l.done[w] || got > l.done[w]+1 {
			t.Errorf("writer %d: found %d, want %d or one more", w, got, l.done[w])
		}
		l.done[w] = found[w][0]
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("the victim says %q: %v", s, err)
	}
	return n
}

// kills is how often to kill in all.
func kills(t *testing.T) int {
	if s := os.Getenv(killsEnv); s != "" {
		return number(t, s)
	}
	if os.Getenv("CI") == "true" {
		return 200
	}
	return 10
}

func TestKill(t *testing.T) {
	t.Parallel()
	const lanes = 2
	total := kills(t)
	var acknowledged, lives atomic.Int64
	var slowest atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d kills, %d acknowledged transactions of %d records; slowest start until serving %v",
			lives.Load(), acknowledged.Load(), pieces, time.Duration(slowest.Load()))
	})
	for lane := range lanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			dir, l := t.TempDir(), &ledger{}
			for range (total + lanes - 1) / lanes {
				n, ready := l.life(t, dir)
				acknowledged.Add(int64(n))
				lives.Add(1)
				for old := slowest.Load(); int64(ready) > old && !slowest.CompareAndSwap(old, int64(ready)); old = slowest.Load() {
					continue
				}
				if t.Failed() {
					return
				}
			}
			if l.done == [writers]int{} {
				t.Error("nothing was acknowledged")
			}
		})
	}
}
