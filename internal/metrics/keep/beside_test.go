package keep

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/metrics"
)

// TestReadBeside begins a read, lets something happen, and goes on with it: each measurement is there, once.
func TestReadBeside(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(t *testing.T, s *Store, now *time.Time){
		"nothing": func(*testing.T, *Store, *time.Time) {},
		"a flush": func(t *testing.T, s *Store, _ *time.Time) { flush(t, s) },
		"two flushes, and more": func(t *testing.T, s *Store, _ *time.Time) {
			flush(t, s)
			s.Put([]metrics.Datum{datum("other", noon, 1)})
			flush(t, s)
		},
		"hours": func(t *testing.T, s *Store, now *time.Time) {
			*now = now.Add(6 * time.Hour)
			flush(t, s)
		},
		"a flush that fails": func(_ *testing.T, s *Store, _ *time.Time) {
			leaving, _, _ := s.freeze()
			s.stay(leaving)
		},
	} {
		for _, frozen := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, frozen %v", name, frozen), func(t *testing.T) {
				t.Parallel()
				now := noon
				s := open(t, Config{Dir: t.TempDir(), Now: func() time.Time { return now }})
				for _, ago := range []time.Duration{0, time.Hour, 26 * time.Hour} { // slots of which the database has a part
					s.Put([]metrics.Datum{datum("m", noon.Add(-ago), 1)})
				}
				flush(t, s)
				for _, ago := range []time.Duration{0, time.Hour, 26 * time.Hour, -time.Hour} {
					s.Put([]metrics.Datum{datum("m", noon.Add(-ago), 1)})
				}
				q := query("m", "SampleCount", time.Hour, noon.Add(-48*time.Hour), 60)
				var v *view
				f := newFold(&q, false)
				if frozen {
					leaving, epoch, _ := s.freeze()
					v = look(t, s, &q, f)
					if err := s.save(leaving, epoch); err != nil {
						t.Fatal(err)
					}
					s.settle(leaving, now)
				} else {
					v = look(t, s, &q, f)
				}
				happens(t, s, &now)
				if err := s.disk.read(v, f); err != nil {
					t.Fatal(err)
				}
				for i := range v.streams {
					if err := v.streams[i].fold(f, v.applied, &v.marks); err != nil {
						t.Fatal(err)
					}
				}
				var got []float64
				for _, set := range f.sets {
					if set.Count > 0 {
						got = append(got, set.Count)
					}
				}
				if diff := cmp.Diff([]float64{2, 2, 2, 1}, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func look(t *testing.T, s *Store, q *metrics.Query, f *fold) *view {
	t.Helper()
	v, err := s.look(q, f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func flush(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestUnits: without a unit all units are read, also those that only the database knows of since a restart.
func TestUnits(t *testing.T) {
	t.Parallel()
	c := Config{Dir: t.TempDir(), Now: fixed(noon)}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Put([]metrics.Datum{datum("m", noon, 1)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	other := datum("m", noon, 2)
	other.Unit = "Count"
	q := query("m", "Sum", time.Minute, noon, 1)
	for _, step := range []func(){func() { s.Put([]metrics.Datum{other}) }, func() { flush(t, s) }} {
		step()
		for unit, want := range map[string]string{"": "12:00:00=3", "Count": "12:00:00=2", "None": "12:00:00=1", "Bytes": ""} {
			if q.Unit = unit; read(t, s, q) != want {
				t.Errorf("unit %q: %s, want %s", unit, read(t, s, q), want)
			}
		}
	}
}

// TestConcurrent puts, reads, lists and flushes at once: counts only grow, and in the end all is there.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		s := open(t, Config{Dir: dir})
		q := query("m", "SampleCount", time.Minute, noon.Add(-5*time.Hour), 400)
		count := func() (n float64) {
			points, err := s.Read(q)
			if err != nil {
				t.Error(err)
			}
			for _, p := range points {
				n += p.Value
			}
			return n
		}
		const putters, puts = 3, 400
		var puttersGone, all sync.WaitGroup
		stop := make(chan struct{})
		for p := range putters {
			puttersGone.Go(func() {
				for i := range puts {
					if i%40 == 39 { // so that the others have their turns in between
						if err := s.Flush(); err != nil {
							t.Error(err)
						}
					}
					s.Put([]metrics.Datum{datum("m", noon.Add(-time.Duration(i*(p+1)*15)*time.Second), 1), datum(fmt.Sprint(i), noon, 1)})
				}
			})
		}
		loop := func(do func()) {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						do()
					}
				}
			})
		}
		last := 0.0
		loop(func() {
			n := count()
			if n < last {
				t.Errorf("%v measurements after %v", n, last)
			}
			last = n
		})
		loop(func() {
			if err := s.Flush(); err != nil {
				t.Error(err)
			}
		})
		loop(func() {
			if _, err := s.List(Filter{Region: "r"}); err != nil {
				t.Error(err)
			}
			s.Counts()
		})
		puttersGone.Wait()
		close(stop)
		all.Wait()
		if n := count(); n != putters*puts {
			t.Errorf("%v measurements, want %d", n, putters*puts)
		}
	}
}
