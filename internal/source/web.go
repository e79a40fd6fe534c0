package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	closeTimeout = time.Second
	maxDocument  = 8 << 20 // bytes of an answer
)

// document is a JSON document of an HTTP server, and how the number is found in it.
type document struct {
	client   *http.Client
	url      string
	user     string
	password string
	find     func(any) (float64, error)
}

func openJSON(_ context.Context, s *spec) (Source, error) {
	pointer := s.values["value"]
	if !strings.HasPrefix(pointer, "/") {
		return nil, fmt.Errorf("json: the pointer %q does not begin with /", pointer)
	}
	return newDocument(s, s.target.Path, nil, func(v any) (float64, error) { return follow(v, pointer) }), nil
}

func openPrometheus(_ context.Context, s *spec) (Source, error) {
	path := strings.TrimSuffix(s.target.Path, "/") + "/api/v1/query"
	return newDocument(s, path, url.Values{"query": {s.values["query"]}}, sum), nil
}

func newDocument(s *spec, path string, query url.Values, find func(any) (float64, error)) *document {
	u := url.URL{Scheme: s.target.Scheme, Host: s.target.Host, Path: path, RawQuery: query.Encode()}
	return &document{
		// Of its own: closing it must not close the connections of others.
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute}},
		url:    u.String(), user: s.target.User.Username(), password: s.password(), find: find,
	}
}

// Read implements Source.
func (d *document) Read(ctx context.Context) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, http.NoBody)
	if err != nil {
		return 0, err
	}
	switch {
	case d.user != "":
		req.SetBasicAuth(d.user, d.password)
	case d.password != "":
		req.Header.Set("Authorization", "Bearer "+d.password)
	}
	answer, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("it is answered with %s", answer.Status)
	}
	var v any
	decoder := json.NewDecoder(io.LimitReader(answer.Body, maxDocument))
	if err := decoder.Decode(&v); err != nil {
		return 0, fmt.Errorf("the answer is not JSON: %w", err)
	}
	n, err := d.find(v)
	if err != nil {
		return 0, err
	}
	return amount(n)
}

// Close implements Source.
func (d *document) Close() error {
	d.client.CloseIdleConnections()
	return nil
}

// follow finds a number by a JSON Pointer (RFC 6901).
func follow(v any, pointer string) (float64, error) {
	for _, part := range strings.Split(pointer, "/")[1:] {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[name]
			if !ok {
				return 0, fmt.Errorf("the document has nothing at %q", pointer)
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return 0, fmt.Errorf("the document has nothing at %q", pointer)
			}
			v = x[i]
		default:
			return 0, fmt.Errorf("the document has nothing at %q", pointer)
		}
	}
	return number(v, pointer)
}

// number takes numbers, and texts that are numbers.
func number(v any, where string) (float64, error) {
	switch x := v.(type) {
	case float64:
		return x, nil
	case string:
		if n, err := strconv.ParseFloat(x, 64); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("what is at %q is not a number", where)
}

// sum adds up the answer to an instant query ("HTTP API" of Prometheus). A query without a result is an error: nothing
// is not zero.
func sum(v any) (float64, error) {
	body, _ := v.(map[string]any)
	data, _ := body["data"].(map[string]any)
	switch data["resultType"] {
	case "scalar":
		return sampleValue(data["result"])
	case "vector":
		results, _ := data["result"].([]any)
		if len(results) == 0 {
			return 0, errors.New("the query has no result")
		}
		total := 0.0
		for _, r := range results {
			series, _ := r.(map[string]any)
			n, err := sampleValue(series["value"])
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	}
	return 0, fmt.Errorf("the query gives a %v, not a vector or a scalar", data["resultType"])
}

// sampleValue is the value of a pair of time and value.
func sampleValue(v any) (float64, error) {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return 0, errors.New("the query's answer has no value")
	}
	return number(pair[1], "value")
}
