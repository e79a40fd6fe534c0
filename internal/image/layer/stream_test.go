package layer_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/image/layer"
)

func compressed(t testing.TB, kind string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch kind {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return data
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecompress(t *testing.T) {
	t.Parallel()
	want := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(want[:1<<20])
	for _, kind := range []string{"plain", "gzip", "zstd"} {
		r, err := layer.Decompress(bytes.NewReader(compressed(t, kind, want)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes and the error %v, want the %d bytes", kind, len(got), err, len(want))
		}
		_ = r.Close()
	}
	for _, short := range []string{"", "a", "\x1f"} {
		r, err := layer.Decompress(bytes.NewReader([]byte(short)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != short {
			t.Errorf("%q: got %q, %v", short, got, err)
		}
	}
}

func TestDecompressBroken(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("some text "), 100_000)
	for _, kind := range []string{"gzip", "zstd"} {
		whole := compressed(t, kind, data)
		for _, broken := range [][]byte{whole[:len(whole)-3], whole[:len(whole)/2], whole[:5]} {
			r, err := layer.Decompress(bytes.NewReader(broken))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err == nil {
				t.Errorf("%s: %d of %d bytes: got no error", kind, len(broken), len(whole))
			}
		}
	}
}

func TestAheadReadsAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := make([]byte, rapid.IntRange(0, 2<<20).Draw(t, "size"))
		_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
		broken := errors.New("broken")
		end := rapid.SampledFrom([]error{io.EOF, io.ErrUnexpectedEOF, broken}).Draw(t, "end")
		a := layer.Ahead(io.MultiReader(bytes.NewReader(want), iotest.ErrReader(end)))
		defer func() { _ = a.Close() }()
		got := make([]byte, 0, len(want))
		buffer := make([]byte, rapid.IntRange(1, 1<<20).Draw(t, "buffer"))
		var err error
		for err == nil {
			var n int
			n, err = a.Read(buffer)
			got = append(got, buffer[:n]...)
		}
		if !bytes.Equal(got, want) || !errors.Is(err, end) {
			t.Errorf("got %d bytes and the error %v, want %d and %v", len(got), err, len(want), end)
		}
	})
}

func TestAheadEndsEarly(t *testing.T) {
	t.Parallel()
	a := layer.Ahead(endless{})
	if _, err := io.ReadFull(a, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil { // returns once the goroutine has ended
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("the second Close: got the error %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
