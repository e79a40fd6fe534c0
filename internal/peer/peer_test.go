package peer_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/peer"
)

// serve runs a server that answers /hello, /wait until its request's context ends, and /take, which takes the
// connection over and echoes lines. stop ends it.
func serve(t *testing.T) (p model.Peer, stop func()) {
	t.Helper()
	s, err := peer.Listen(t.Context(), peer.Config{})
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	s.Handle("GET /hello", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	s.Handle("POST /echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	s.Handle("GET /wait", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	s.Handle("GET /take", http.HandlerFunc(take))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return s.Peer(), stop
}

func take(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(conn, rw)
}

// record is a machine's record that changes.
type record struct {
	mu sync.Mutex
	p  *model.Peer
}

func (r *record) set(p *model.Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.p = p
}

func (r *record) find(machine string) *model.Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if machine != "m1" {
		return nil
	}
	return r.p
}

// call makes a request and reads the answer to its end.
func call(t *testing.T, c *peer.Caller, method, url, body string) (status int, text string, err error) {
	t.Helper()
	var sent io.Reader = http.NoBody
	if body != "" {
		sent = io.MultiReader(strings.NewReader(body)) // it cannot be sent twice
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, sent)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	read, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(read), err
}

func TestCall(t *testing.T) {
	t.Parallel()
	p, _ := serve(t)
	c := peer.NewCaller((&record{p: &p}).find)
	defer c.Close()
	if _, text, err := call(t, c, http.MethodGet, "https://m1/hello", ""); text != "hello" || err != nil {
		t.Errorf("got %q, %v, want hello", text, err)
	}
	if _, text, err := call(t, c, http.MethodPost, "https://m1/echo", "again"); text != "again" || err != nil {
		t.Errorf("got %q, %v, want what was sent", text, err)
	}
	if err := c.Reachable(t.Context(), "m1"); err != nil {
		t.Errorf("Reachable = %v, want nil", err)
	}
}

// TestRefused calls with what is wrong in each part of the record.
func TestRefused(t *testing.T) {
	t.Parallel()
	right, _ := serve(t)
	other, stop := serve(t)
	stop()
	for name, test := range map[string]struct {
		change func(*model.Peer)
		is     error
		status int
	}{
		"another token":          {change: func(p *model.Peer) { p.Token = other.Token }, status: http.StatusUnauthorized},
		"no token":               {change: func(p *model.Peer) { p.Token = "" }, status: http.StatusUnauthorized},
		"part of the token":      {change: func(p *model.Peer) { p.Token = p.Token[:32] }, status: http.StatusUnauthorized},
		"another certificate":    {change: func(p *model.Peer) { p.Fingerprint = other.Fingerprint }, is: peer.ErrStranger},
		"no certificate":         {change: func(p *model.Peer) { p.Fingerprint = "" }, is: peer.ErrStranger},
		"nobody there":           {change: func(p *model.Peer) { p.Address = other.Address }},
		"not even an address":    {change: func(p *model.Peer) { p.Address = "" }},
		"everything of the dead": {change: func(p *model.Peer) { *p = other }},
	} {
		p := right
		test.change(&p)
		c := peer.NewCaller((&record{p: &p}).find)
		status, text, err := call(t, c, http.MethodGet, "https://m1/hello", "")
		switch {
		case test.status != 0 && (err != nil || status != test.status || text == "hello"):
			t.Errorf("%s: got %q, %v, want status %d", name, text, err, test.status)
		case test.status == 0 && (err == nil || !strings.Contains(err.Error(), "machine m1")):
			t.Errorf("%s: got error %v, want one that names the machine", name, err)
		case test.is != nil && !errors.Is(err, test.is):
			t.Errorf("%s: got error %v, want %v", name, err, test.is)
		}
		c.Close()
	}
	c := peer.NewCaller((&record{}).find)
	for _, machine := range []string{"m1", "m2"} {
		if err := c.Reachable(t.Context(), machine); !errors.Is(err, peer.ErrNoPeer) {
			t.Errorf("Reachable(%s) without a record = %v, want %v", machine, err, peer.ErrNoPeer)
		}
	}
}

// TestRestart has the agent begin anew: with another certificate, another token, and at another address.
func TestRestart(t *testing.T) {
	t.Parallel()
	first, stop := serve(t)
	r := &record{p: &first}
	c := peer.NewCaller(r.find)
	defer c.Close()
	if _, text, err := call(t, c, http.MethodGet, "https://m1/hello", ""); text != "hello" {
		t.Fatalf("before: got %q, %v", text, err)
	}
	stop()
	second, _ := serve(t)
	if second.Token == first.Token || second.Fingerprint == first.Fingerprint {
		t.Errorf("the second start published %+v, want nothing of the first", second)
	}
	r.set(&second)
	if _, text, err := call(t, c, http.MethodGet, "https://m1/hello", ""); text != "hello" {
		t.Errorf("after: got %q, %v, want hello", text, err)
	}
}

// TestRestartMeanwhile has the record change after it was looked up: the call looks it up again.
func TestRestartMeanwhile(t *testing.T) {
	t.Parallel()
	first, stop := serve(t)
	stop()
	second, _ := serve(t)
	for name, stale := range map[string]model.Peer{
		"gone":              first,
		"other certificate": {Address: second.Address, Fingerprint: first.Fingerprint, Token: second.Token},
		"other token":       {Address: second.Address, Fingerprint: second.Fingerprint, Token: first.Token},
	} {
		asked := 0
		c := peer.NewCaller(func(string) *model.Peer {
			asked++
			if asked == 1 {
				return &stale
			}
			return &second
		})
		if _, text, err := call(t, c, http.MethodGet, "https://m1/hello", ""); text != "hello" {
			t.Errorf("%s: got %q, %v, want hello", name, text, err)
		}
		asked = 0
		if _, text, err := call(t, c, http.MethodPost, "https://m1/echo", "once"); text == "once" || asked != 2 {
			t.Errorf("%s: a request with a body got %q, %v; it was not to be sent twice", name, text, err)
		}
		c.Close()
	}
}

// TestEnd: the server's end ends what is followed, and what was taken over.
func TestEnd(t *testing.T) {
	t.Parallel()
	p, stop := serve(t)
	c := peer.NewCaller((&record{p: &p}).find)
	defer c.Close()
	open := func(path string) io.ReadCloser {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://m1"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if path == "/take" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "echo")
		}
		answer, err := c.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		return answer.Body
	}
	waiting, taken := open("/wait"), open("/take")
	line, ok := taken.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("the connection cannot be taken over: %T", taken)
	}
	if _, err := io.WriteString(line, "hi\n"); err != nil {
		t.Fatal(err)
	}
	back := bufio.NewReader(line)
	if text, err := back.ReadString('\n'); text != "hi\n" {
		t.Errorf("got %q, %v, want the echo", text, err)
	}
	stop()
	for name, r := range map[string]io.Reader{"followed": waiting, "taken over": back} {
		if text, _ := io.ReadAll(r); len(text) != 0 {
			t.Errorf("after the end, what was %s tells %q, want nothing", name, text)
		}
	}
}

// TestAdvertise: what listens everywhere is told by the address that others know.
func TestAdvertise(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ address, advertise, want string }{
		{"127.0.0.1:0", "10.0.0.7", "127.0.0.1:"},
		{"0.0.0.0:0", "10.0.0.7", "10.0.0.7:"},
		{"[::]:0", "fd00::1", "[fd00::1]:"},
		{"", "", "127.0.0.1:"},
		{"0.0.0.0:0", "", "[::]:"},
	} {
		s, err := peer.Listen(t.Context(), peer.Config{Address: test.address, Advertise: test.advertise})
		if err != nil {
			t.Fatalf("Listen(%s): %v", test.address, err)
		}
		if got := s.Peer().Address; !strings.HasPrefix(got, test.want) {
			t.Errorf("%s advertised as %s: got %s, want %s…", test.address, test.advertise, got, test.want)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := peer.Listen(t.Context(), peer.Config{Address: "nowhere"}); err == nil {
		t.Error("Listen on no address = nil, want an error")
	}
}
