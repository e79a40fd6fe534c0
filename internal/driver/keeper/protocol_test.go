package keeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
)

func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	want := []request{
		{Seq: 1, Op: opHello},
		{Seq: 2, Op: opStart, ID: "a", Start: &Spec{
			ID: "a", Argv: []string{"/bin/true"}, Env: []string{"A=1"}, Dir: "/", Limits: []Limit{{"nofile", 1, 2}},
		}},
		{Seq: 3, Op: opCancel, Target: 2},
	}
	var stream bytes.Buffer
	for _, req := range want {
		frame, err := appendFrame(req)
		if err != nil {
			t.Fatal(err)
		}
		stream.Write(frame)
	}
	for i := range want {
		var got request
		if err := readFrame(&stream, &got); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("frame %d (-want +got):\n%s", i, diff)
		}
	}
	if err := readFrame(&stream, &request{}); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v, want io.EOF", err)
	}
}

func TestFramesThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"\x00\x00":                  io.ErrUnexpectedEOF,
		"\x00\x00\x00\x05{}":        io.ErrUnexpectedEOF,
		"\x00\x00\x00\x02[]":        errFrame,
		"\x00\x00\x00\x00":          errFrame,
		"\x00\x40\x00\x01 and more": errFrame,
		"GET / HTTP/1.1\r\n":        errFrame,
	} {
		if err := readFrame(strings.NewReader(text), &request{}); !errors.Is(err, want) {
			t.Errorf("readFrame(%q) = %v, want %v", text, err, want)
		}
	}
	if _, err := appendFrame(request{ID: strings.Repeat("x", maxFrame)}); err == nil {
		t.Error("appendFrame of too much = nil, want an error")
	}
}

func TestFailuresKeepTheirNames(t *testing.T) {
	t.Parallel()
	var named *driver.Failure
	if err := toFailure(cannotStart("exec %q: %s", "x", "gone")).err(); !errors.As(err, &named) ||
		err.Error() != `CannotStartContainerError: exec "x": gone` {
		t.Errorf("a named error arrives as %v", err)
	}
	if err := toFailure(io.ErrNoProgress).err(); err == nil || !strings.Contains(err.Error(), io.ErrNoProgress.Error()) {
		t.Errorf("a plain error arrives as %v", err)
	}
	if err := toFailure(nil).err(); err != nil {
		t.Errorf("no error arrives as %v", err)
	}
}

// FuzzFrame looks for bytes that make the decoder panic, take memory that was not sent, or read what it would not write.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\x00\x00\x00\x1b{\"op\":\"start\",\"start\":{}}"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var req request
		if err := readFrame(bytes.NewReader(data), &req); err != nil {
			return
		}
		if size := binary.BigEndian.Uint32(data); int(size)+4 > len(data) {
			t.Fatalf("a frame of %d bytes was read from %d", size, len(data))
		}
		frame, err := appendFrame(req)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		var again request
		if err := readFrame(bytes.NewReader(frame), &again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
