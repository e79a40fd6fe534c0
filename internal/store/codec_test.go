package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/storetest"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, k := range model.Kinds() {
		for seed := range uint64(300) {
			want := storetest.Fill(rand.New(rand.NewPCG(seed, 0)), k)
			data, err := store.Encode(want)
			if err != nil {
				t.Fatalf("Encode of a %s (seed %d): %v", k, seed, err)
			}
			got, err := store.Decode(want.Key(), data)
			if err != nil {
				t.Fatalf("Decode of %s (seed %d): %v", data, seed, err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(sameTime)); diff != "" {
				t.Fatalf("a %s (seed %d) changed on the way (-want +got):\n%s", k, seed, diff)
			}
		}
	}
}

// sameTime compares times with their zones.
func sameTime(a, b time.Time) bool {
	return a.Equal(b) && a.Location().String() == b.Location().String()
}

func TestEncodeLeavesOutWhatIsEmpty(t *testing.T) {
	t.Parallel()
	data, err := store.Encode(&model.Observed{Task: "t", Machine: "m", Status: model.TaskPending})
	if want := `{"task":"t","machine":"m","status":"PENDING"}`; err != nil || string(data) != want {
		t.Errorf("Encode = %s, %v; want %s", data, err, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key  model.Key
		data string
		want string
	}{
		"another key":   {model.MachineKey("a"), `{"id":"b"}`, "the record under machine/a is that of machine/b"},
		"unknown table": {model.Key{Kind: "new", Path: "a"}, `{}`, "unknown table"},
		"no JSON":       {model.MachineKey("a"), `{"id":`, "machine/a"},
		"another type":  {model.MachineKey("a"), `{"id":1}`, "machine/a"},
	} {
		if r, err := store.Decode(c.key, []byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Decode = %v, %v; want an error with %q", name, r, err, c.want)
		}
	}
	if _, err := store.Encode(&model.Machine{ID: "\xff"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Encode of a key that is not UTF-8: %v, want %v", err, store.ErrInvalid)
	}
}

// FuzzDecode looks for input that makes Decode panic, or that it reads as something which it then does not keep.
func FuzzDecode(f *testing.F) {
	for i, k := range model.Kinds() {
		data, err := store.Encode(storetest.Fill(rand.New(rand.NewPCG(1, 2)), k))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		k := model.Kinds()[int(kind)%len(model.Kinds())]
		r := model.New(k)
		first, err := store.Decode(r.Key(), data)
		if err != nil {
			return
		}
		again, err := store.Encode(first)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		second, err := store.Decode(first.Key(), again)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v", err)
		}
		third, err := store.Encode(second)
		if err != nil || !bytes.Equal(third, again) {
			t.Errorf("it became %s, then %s (%v)", again, third, err)
		}
	})
}
