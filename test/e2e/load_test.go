package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// requests is one kind of requests of a load.
type requests struct {
	name        string
	connections int // clients that send one request after the other
	body        int // bytes of a POST; 0 for a GET
	path        string
	protocol    string                 // that the answer must have, "" for any
	transport   func() *http.Transport // of one client
}

// keepAlive is a client with one HTTP/1.1 connection.
func keepAlive() *http.Transport { return &http.Transport{MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1} }

// newEach is a client with a connection for each request.
func newEach() *http.Transport { return &http.Transport{DisableKeepAlives: true} }

// h2c is a client that speaks HTTP/2 without TLS.
func h2c() *http.Transport {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: &protocols}
}

// everyKind is what clients do.
func everyKind() []requests {
	return []requests{
		{name: "HTTP/1.1", connections: 3, transport: keepAlive},
		{name: "new connections", connections: 2, transport: newEach},
		{name: "h2c", connections: 3, protocol: "HTTP/2.0", transport: h2c},
		{name: "POST", connections: 2, body: 20_000, transport: keepAlive},
	}
}

// load is requests that are sent until it ends. Each client waits a little between two of them: it is the number of changes
// that matters here, not that of requests.
type load struct {
	t       *testing.T
	url     string
	over    context.Context //nolint:containedctx // it is over when the load is
	stop    context.CancelFunc
	clients sync.WaitGroup

	mu     sync.Mutex
	counts map[string]int // of requests, by kind
	by     map[string]int // answers, by version and process
	since  time.Time      // requests that began before do not count there
	failed []failure
}

// failure is a request that was lost.
type failure struct {
	kind  string
	began time.Time
	err   error
}

func (f failure) String() string { return f.kind + ": " + f.err.Error() }

// pace is the time between two requests of a client.
const pace = 5 * time.Millisecond

// flood begins a load.
func flood(t *testing.T, url string, kinds ...requests) *load {
	t.Helper()
	l := &load{t: t, url: url, counts: map[string]int{}, by: map[string]int{}}
	l.over, l.stop = context.WithCancel(context.Background())
	for _, k := range kinds {
		for range k.connections {
			l.clients.Go(func() { l.client(k) })
		}
	}
	t.Cleanup(l.end)
	return l
}

// end ends the load after the requests in hand.
func (l *load) end() {
	l.stop()
	l.clients.Wait()
}

func (l *load) client(k requests) {
	transport := k.transport()
	defer transport.CloseIdleConnections()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-l.over.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		answer, err := l.ask(transport, k)
		l.mu.Lock()
		l.counts[k.name]++
		if err != nil {
			l.failed = append(l.failed, failure{k.name, began, err})
		} else if began.After(l.since) {
			l.by[answer.Get("X-Version")+" "+answer.Get("X-Process")]++
		}
		l.mu.Unlock()
	}
}

// errAgain is a request that net/http sent once more by itself: the balancer had closed its connection under it.
var errAgain = errors.New("it took a second connection")

// ask sends one request.
func (l *load) ask(transport *http.Transport, k requests) (http.Header, error) {
	got := 0
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got++ }})
	method, body := http.MethodGet, []byte(nil)
	if k.body > 0 {
		method, body = http.MethodPost, bytes.Repeat([]byte{byte('a' + rand.IntN(26))}, k.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, l.url+k.path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode != http.StatusOK || answer.Header.Get("X-Process") == "":
		return nil, fmt.Errorf("%s: %.200s", answer.Status, text)
	case k.protocol != "" && answer.Proto != k.protocol:
		return nil, fmt.Errorf("it was answered by %s, want %s", answer.Proto, k.protocol)
	case !bytes.Equal(text, body):
		return nil, fmt.Errorf("%d bytes were sent, %d others came back", len(body), len(text))
	case got != 1 && answer.ProtoMajor == 1: // in HTTP/2, GOAWAY says which requests were not begun: they are sent again, as the protocol has it
		return nil, errAgain
	}
	return answer.Header, nil
}

// sent is the number of requests so far.
func (l *load) sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.counts {
		n += c
	}
	return n
}

// failures are those so far.
func (l *load) failures() []failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.failed)
}

// report ends the load, tells what was sent, and fails the test for each request that was lost.
func (l *load) report() {
	l.t.Helper()
	l.end()
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(l.counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", l.counts[kind], kind))
	}
	l.t.Logf("%d requests (%s), %d failed, answered by %d tasks", l.sent(), strings.Join(parts, ", "), len(l.failed), len(l.by))
	for i, f := range l.failed {
		if i == 10 {
			l.t.Errorf("and %d more", len(l.failed)-i)
			return
		}
		l.t.Errorf("lost: %s at %s", f, f.began.Format("15:04:05.000"))
	}
}

// forget forgets who answered so far.
func (l *load) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.by)
	l.since = time.Now()
}

// reached are the processes that answered since then, by version and process.
func (l *load) reached() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.by)
}

// closed says that nobody listens at an address.
func closed(address string) bool {
	conn, err := net.Dial("tcp", address) //nolint:noctx // of this machine
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}
