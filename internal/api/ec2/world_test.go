package ec2_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/ec2"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
)

// world is the API over a store in memory.
type world struct {
	t     *testing.T
	store *store.Store
	url   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st := apitest.Store(t)
	return &world{t: t, store: st, url: apitest.Serve(t, wire.Config{Region: region}, ec2.New(ec2.Deps{
		Deps: usecase.Deps{Store: st, Account: account, IDs: apitest.IDs(), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }},
	}).Service())}
}

// post sends a request as clients do; the parameters are NAME=VALUE, joined with spaces.
func (w *world) post(action, parameters string) (status int, body string) {
	w.t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for p := range strings.SplitSeq(parameters, " ") {
		name, value, _ := strings.Cut(p, "=")
		if name != "" {
			form.Set(name, strings.ReplaceAll(value, "+", " "))
		}
	}
	answer, err := http.PostForm(w.url, form) //nolint:noctx // a test's own server
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// do sends a request that must succeed.
func (w *world) do(action, parameters string) string {
	w.t.Helper()
	status, body := w.post(action, parameters)
	if status != http.StatusOK {
		w.t.Fatalf("%s %s = %d %s", action, parameters, status, body)
	}
	return body
}

// refused sends a request that must fail, and gives its code and message.
func (w *world) refused(action, parameters string) (code, message string) {
	w.t.Helper()
	status, body := w.post(action, parameters)
	var answer struct {
		Errors struct {
			Error struct{ Code, Message string }
		}
	}
	if err := xml.Unmarshal([]byte(body), &answer); err != nil || status == http.StatusOK {
		w.t.Fatalf("%s %s = %d %s, want an error", action, parameters, status, body)
	}
	return answer.Errors.Error.Code, answer.Errors.Error.Message
}

// all gives the texts of all elements of a name.
func all(body, element string) []string {
	var list []string
	for _, rest := range strings.Split(body, "<"+element+">")[1:] {
		text, _, _ := strings.Cut(rest, "</"+element+">")
		list = append(list, text)
	}
	return list
}

func one(t *testing.T, body, element string) string {
	t.Helper()
	list := all(body, element)
	if len(list) != 1 {
		t.Fatalf("there are %d <%s> in %s, want one", len(list), element, body)
	}
	return list[0]
}

func (w *world) put(records ...model.Record) {
	w.t.Helper()
	apitest.Put(w.t, w.store, records...)
}
