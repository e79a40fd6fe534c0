package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/logs/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve gives the body of an answer with a sequence.
func serve(t *testing.T, values func(ctx context.Context) iter.Seq2[string, error]) io.ReadCloser {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = feed.Write(r.Context(), w, values(r.Context()))
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); http.DefaultClient.CloseIdleConnections() })
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer.Body
}

func TestFeed(t *testing.T) {
	const values = 2000
	answer := serve(t, func(context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for i := range values {
				if !yield(fmt.Sprintf("value <%d>\n", i), nil) {
					return
				}
			}
		}
	})
	n := 0
	for v, err := range feed.Read[string](answer) {
		if want := fmt.Sprintf("value <%d>\n", n); err != nil || v != want {
			t.Fatalf("value %d is %q, %v, want %q", n, v, err, want)
		}
		n++
	}
	if n != values {
		t.Errorf("%d values, want %d", n, values)
	}
}

// TestSentAsTheyCome: a value arrives before the next one is there.
func TestSentAsTheyCome(t *testing.T) {
	more := make(chan string)
	answer := serve(t, func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for {
				select {
				case v, ok := <-more:
					if !ok || !yield(v, nil) {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}
	})
	next, stop := iter.Pull2(feed.Read[string](answer))
	defer stop()
	for _, want := range []string{"one", "two"} {
		more <- want
		if got, err, _ := next(); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	close(more)
	if v, err, ok := next(); ok {
		t.Errorf("after the end there is %q, %v", v, err)
	}
}

func TestReceiverGoesAway(t *testing.T) {
	ended := make(chan struct{})
	answer := serve(t, func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			defer close(ended)
			if yield("one", nil) {
				<-ctx.Done()
			}
		}
	})
	for v := range feed.Read[string](answer) {
		if v != "one" {
			t.Errorf("got %q, want one", v)
		}
		break
	}
	_ = answer.Close()
	<-ended
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
		err  string
	}{
		"failed":    {`{"v":"a"}` + "\n" + `{"error":"broken"}`, []string{"a"}, "broken"},
		"cut off":   {`{"v":"a"}` + "\n", []string{"a"}, feed.ErrCut.Error()},
		"empty":     {"", nil, feed.ErrCut.Error()},
		"no JSON":   {"<html>", nil, "no sequence"},
		"long line": {`{"v":"` + strings.Repeat("x", 5<<20), nil, "token too long"},
	} {
		var got []string
		var failed error
		for v, err := range feed.Read[string](strings.NewReader(c.text)) {
			if err != nil {
				failed = err
				break
			}
			got = append(got, v)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || failed == nil || !strings.Contains(failed.Error(), c.err) {
			t.Errorf("%s: %v, %v, want %v and %q", name, got, failed, c.want, c.err)
		}
	}
	answer := serve(t, func(context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) { yield("", errors.New("the disk is gone")) }
	})
	for _, err := range feed.Read[string](answer) {
		if err == nil || err.Error() != "the disk is gone" {
			t.Errorf("the error is %v, want that of the sequence", err)
		}
	}
}
