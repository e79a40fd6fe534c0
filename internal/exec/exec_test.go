package exec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/exec"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

type runner func(context.Context, driver.Exec) (int, error)

// serve answers with a runner, through a proxy as a server is one. The URL is the proxy's.
func serve(t *testing.T, run runner) (at string, ended <-chan error) {
	t.Helper()
	done := make(chan error, 4)
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done <- exec.Serve(w, r, run)
	}))
	t.Cleanup(agent.Close)
	target, err := url.Parse(agent.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Maitred-Task", "t1")
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	return proxy.URL, done
}

// program acts like a few programs, by the first word.
func program(ctx context.Context, e driver.Exec) (int, error) {
	switch e.Command[0] {
	case "cat":
		n, err := io.Copy(e.Stdout, e.Stdin)
		_, _ = fmt.Fprintf(e.Stderr, "%d bytes", n)
		return 0, err
	case "exit":
		return -1, nil
	case "sizes":
		_, _ = fmt.Fprintf(e.Stdout, "%t %t %v\n", e.Terminal, e.Stderr == nil, e.Size)
		for range 2 {
			select {
			case s := <-e.Resize:
				_, _ = fmt.Fprintln(e.Stdout, s)
			case <-ctx.Done():
			}
		}
		return 0, nil
	case "wait":
		_, _ = io.WriteString(e.Stdout, "ready")
		<-ctx.Done()
		return 137, ctx.Err()
	case "flood":
		_, err := e.Stdout.Write(bytes.Repeat([]byte("x"), 5<<20))
		return 0, err
	}
	return 0, errors.New("there is no program " + e.Command[0])
}

func TestStreams(t *testing.T) {
	t.Parallel()
	at, _ := serve(t, program)
	text := strings.Repeat("0123456789abcdef", 100<<10)
	var out, errs bytes.Buffer
	var task string
	code, err := exec.Call(t.Context(), http.DefaultClient, at, driver.Exec{
		Command: []string{"cat"}, Stdin: strings.NewReader(text), Stdout: &out, Stderr: &errs,
	}, func(h http.Header) { task = h.Get("Maitred-Task") })
	if code != 0 || err != nil || out.String() != text || errs.String() != fmt.Sprint(len(text), " bytes") || task != "t1" {
		t.Errorf("cat = %d, %v, %d bytes, %q, task %q; want the input back", code, err, out.Len(), errs.String(), task)
	}
	if code, err := exec.Call(t.Context(), http.DefaultClient, at, driver.Exec{Command: []string{"exit"}}, nil); code != -1 || err != nil {
		t.Errorf("exit = %d, %v, want -1", code, err)
	}
	out.Reset()
	code, err = exec.Call(t.Context(), http.DefaultClient, at, driver.Exec{Command: []string{"flood"}, Stdout: &out}, nil)
	if code != 0 || err != nil || out.Len() != 5<<20 {
		t.Errorf("flood = %d, %v, %d bytes, want 5 MiB", code, err, out.Len())
	}
}

// TestFailed: why a command could not be run is told in the agent's words.
func TestFailed(t *testing.T) {
	t.Parallel()
	at, _ := serve(t, program)
	var failed *exec.FailedError
	if _, err := exec.Call(t.Context(), http.DefaultClient, at, driver.Exec{Command: []string{"none"}}, nil); !errors.As(err, &failed) ||
		err.Error() != "there is no program none" {
		t.Errorf("got %v, want the agent's words", err)
	}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"code":"X","message":"There is no task t9."}`)
	}))
	defer refusing.Close()
	if _, err := exec.Call(t.Context(), http.DefaultClient, refusing.URL, driver.Exec{Command: []string{"x"}}, nil); err == nil ||
		err.Error() != "There is no task t9." {
		t.Errorf("got %v, want the refusal's message", err)
	}
	if _, err := exec.Call(t.Context(), http.DefaultClient, "http://127.0.0.1:1", driver.Exec{Command: []string{"x"}}, nil); err == nil {
		t.Error("a call to nobody = nil, want an error")
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	at, _ := serve(t, program)
	sizes := make(chan driver.Size)
	r, w := io.Pipe()
	var group sync.WaitGroup
	group.Go(func() {
		code, err := exec.Call(t.Context(), http.DefaultClient, at, driver.Exec{
			Command: []string{"sizes"}, Terminal: true, Size: driver.Size{Columns: 80, Rows: 24}, Resize: sizes, Stdout: w,
		}, nil)
		if code != 0 || err != nil {
			t.Errorf("sizes = %d, %v", code, err)
		}
		_ = w.Close()
	})
	var got []string
	line := make([]byte, 100)
	for _, next := range []driver.Size{{Columns: 1, Rows: 2}, {Columns: 65535, Rows: 0}, {}} {
		n, err := r.Read(line)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, string(line[:n]))
		if next != (driver.Size{}) {
			sizes <- next
		}
	}
	if diff := cmp.Diff([]string{"true true {80 24}\n", "{1 2}\n", "{65535 0}\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	group.Wait()
}

// TestGone: the command ends when its caller goes away, also while its input is full; and the call when its context does.
func TestGone(t *testing.T) {
	t.Parallel()
	at, ended := serve(t, program)
	ctx, cancel := context.WithCancel(t.Context())
	in, fill := io.Pipe()
	r, w := io.Pipe()
	var group sync.WaitGroup
	group.Go(func() {
		_, err := exec.Call(ctx, http.DefaultClient, at, driver.Exec{Command: []string{"wait"}, Stdin: in, Stdout: w}, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Call = %v, want context.Canceled", err)
		}
		_ = in.Close()
	})
	if _, err := io.ReadFull(r, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := fill.Write(make([]byte, 256<<10)); err != nil { // as much as there is room for
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	group.Wait()
}

// TestEmptyCommand is told what is wrong, not that the connection broke.
func TestEmptyCommand(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{nil, {""}, {"", "x"}} {
		_, err := exec.Call(t.Context(), http.DefaultClient, "http://192.0.2.1/", driver.Exec{Command: words}, nil)
		if _, failed := errors.AsType[*exec.FailedError](err); !failed {
			t.Errorf("Call of %q = %v, want it refused", words, err)
		}
	}
}

// TestMalformed sends what no caller sends: the command is not begun, or ends.
func TestMalformed(t *testing.T) {
	t.Parallel()
	valid := `o{"command":["wait"],"input":true}`
	for name, messages := range map[string][]string{
		"nothing asked":     {"i..."},
		"no JSON":           {"o{"},
		"no command":        {`o{"command":[]}`},
		"an empty command":  {`o{"command":[""]}`},
		"an empty message":  {""},
		"too long":          {`o{"command":["` + strings.Repeat("x", 300<<10) + `"]}`},
		"unknown kind":      {valid, "?"},
		"an exit":           {valid, "x\x00\x00\x00\x00"},
		"half a size":       {valid, "r\x00"},
		"opened twice":      {valid, valid},
		"more than is room": {valid, "i" + strings.Repeat("x", 32<<10), "i" + strings.Repeat("x", 300<<10)},
	} {
		at, ended := serve(t, program)
		conn, _, err := websocket.Dial(t.Context(), at, &websocket.DialOptions{Subprotocols: []string{"maitred.exec.v1"}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		conn.CloseRead(t.Context())
		for _, m := range messages {
			if err := conn.Write(t.Context(), websocket.MessageBinary, []byte(m)); err != nil {
				break // it has been hung up on already
			}
		}
		<-ended
		_ = conn.CloseNow()
	}
	at, ended := serve(t, program)
	conn, _, err := websocket.Dial(t.Context(), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("without the subprotocol: %v, want a policy violation", err)
	}
	if err := <-ended; err == nil {
		t.Error("Serve without the subprotocol = nil, want an error")
	}
	if answer, err := http.Get(at); err != nil || answer.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("an ordinary request: %v, %v, want %d", answer, err, http.StatusUpgradeRequired)
	} else {
		_ = answer.Body.Close()
	}
}

// TestWebPage: a page of another origin cannot run anything.
func TestWebPage(t *testing.T) {
	t.Parallel()
	at, _ := serve(t, program)
	_, answer, err := websocket.Dial(t.Context(), at, &websocket.DialOptions{
		Subprotocols: []string{"maitred.exec.v1"}, HTTPHeader: http.Header{"Origin": {"https://example.com"}},
	})
	if err == nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("got %v, %v, want %d", answer, err, http.StatusForbidden)
	}
}
