package frame_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/logs/frame"
)

func frames() *rapid.Generator[frame.Frame] {
	text := rapid.OneOf(rapid.String(), rapid.StringN(0, 4000, 9000))
	return rapid.Custom(func(t *rapid.T) frame.Frame {
		return frame.Frame{
			Ingested: rapid.Int64Range(-1, 1<<50).Draw(t, "ingested"),
			Marks: rapid.MapOfN(text, rapid.Custom(func(t *rapid.T) frame.Mark {
				return frame.Mark{At: rapid.Int64().Draw(t, "at"), Lines: rapid.IntRange(0, 1<<30).Draw(t, "lines")}
			}), 0, 3).Draw(t, "marks"),
			Events: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) frame.Event {
				return frame.Event{At: rapid.Int64Range(-1<<50, 1<<50).Draw(t, "at"), Message: text.Draw(t, "message")}
			}), 0, 5).Draw(t, "events"),
		}
	})
}

// TestTornAnywhere cuts a file of frames anywhere: what was written wholly before is read, nothing else.
func TestTornAnywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(frames(), 0, 4).Draw(t, "frames")
		var file []byte
		ends := []int{0}
		for i := range want {
			var err error
			if file, err = frame.Append(file, &want[i]); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, len(file))
		}
		cut := rapid.IntRange(0, len(file)).Draw(t, "cut")
		whole := 0
		for whole < len(want) && ends[whole+1] <= cut {
			whole++
		}
		var got []frame.Frame
		rest := file[:cut]
		for len(rest) > 0 {
			f, next, err := frame.Next(rest)
			if err != nil {
				break
			}
			got, rest = append(got, f), next
		}
		if diff := cmp.Diff(want[:whole], got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("frames (-written +read):\n%s", diff)
		}
	})
}

// TestFlippedBit: a frame of which one bit is another is none.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	file, err := frame.Append(nil, &frame.Frame{Ingested: 7, Events: []frame.Event{{At: 5, Message: "hello"}}})
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(file) {
		file[bit/8] ^= 1 << (bit % 8)
		if f, _, err := frame.Next(file); !errors.Is(err, frame.ErrTorn) {
			t.Errorf("with bit %d flipped Next = %v, %v, want ErrTorn", bit, f, err)
		}
		file[bit/8] ^= 1 << (bit % 8)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	b, err := frame.Append([]byte("before"), &frame.Frame{Events: []frame.Event{{Message: strings.Repeat("x", frame.Max)}}})
	if err == nil || string(b) != "before" {
		t.Errorf("Append of too much = %d bytes, %v, want nothing and an error", len(b), err)
	}
}

func FuzzNext(f *testing.F) {
	good, err := frame.Append(nil, &frame.Frame{
		Ingested: 7, Marks: map[string]frame.Mark{"a": {At: 3, Lines: 1}}, Events: []frame.Event{{At: 5, Message: "hello"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[8:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(content)))
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
		got, rest, err := frame.Next(append(b, content...))
		if err != nil {
			return
		}
		again, err := frame.Append(nil, &got)
		if err != nil {
			t.Fatal(err)
		}
		twice, _, err := frame.Next(append(again, rest...))
		if err != nil {
			t.Fatalf("what was decoded cannot be written again: %v", err)
		}
		if diff := cmp.Diff(got, twice, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("written again it is another one:\n%s", diff)
		}
	})
}
