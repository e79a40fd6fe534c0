package metadata_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

const statePath = "/task-protection/v1/state"

// state is the path of the first task's protection.
func (w *world) state() string {
	return w.variables(taskOne, "172.31.0.10", wellKnown())["ECS_AGENT_URI"] + statePath
}

func TestProtection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const (
		off     = `{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":"` + taskOne + `"}}`
		twoHour = `{"protection":{"ExpirationDate":"2026-03-04T07:06:07Z","ProtectionEnabled":true,"TaskArn":"` + taskOne + `"}}`
		hour    = `{"protection":{"ExpirationDate":"2026-03-04T06:06:07Z","ProtectionEnabled":true,"TaskArn":"` + taskOne + `"}}`
		invalid = `{"error":{"Arn":"` + taskOne + `","Code":"InvalidParameterException","Message":"`
		coded   = invalid + `UpdateTaskProtection: failed to decode request"}}`
		ranged  = invalid + `expiresInMinutes should be between 1 and 2880"}}`
	)
	tests := []struct {
		method, body string
		status       int
		want         string
	}{
		{http.MethodGet, "", http.StatusOK, off},
		{http.MethodPut, `{"ProtectionEnabled":true}`, http.StatusOK, twoHour},
		{http.MethodGet, "", http.StatusOK, twoHour},
		{http.MethodPut, `{"ProtectionEnabled":true,"ExpiresInMinutes":60}`, http.StatusOK, hour},
		{http.MethodPut, ``, http.StatusBadRequest, coded},
		{http.MethodPut, `{`, http.StatusBadRequest, coded},
		{http.MethodPut, `{"ProtectionEnabled":true} x`, http.StatusBadRequest, coded},
		{http.MethodPut, `{"ProtectionEnabled":"yes"}`, http.StatusBadRequest, coded},
		{http.MethodPut, `{"ProtectionEnabled":true,"Minutes":1}`, http.StatusBadRequest, coded},
		{http.MethodPut, `{"ProtectionEnabled":true,"ExpiresInMinutes":1.5}`, http.StatusBadRequest, coded},
		{http.MethodPut, `"` + strings.Repeat("x", 5000) + `"`, http.StatusBadRequest, coded},
		{http.MethodPut, `{}`, http.StatusBadRequest, invalid + `Invalid request: does not contain 'ProtectionEnabled' field"}}`},
		{http.MethodPut, `{"ProtectionEnabled":true,"ExpiresInMinutes":0}`, http.StatusBadRequest, ranged},
		{http.MethodPut, `{"ProtectionEnabled":true,"ExpiresInMinutes":-5}`, http.StatusBadRequest, ranged},
		{http.MethodPut, `{"ProtectionEnabled":true,"ExpiresInMinutes":2881}`, http.StatusBadRequest, ranged},
		{http.MethodGet, "", http.StatusOK, hour},
		{http.MethodPut, `{"ProtectionEnabled":false,"ExpiresInMinutes":60}`, http.StatusOK, off},
		{http.MethodGet, "", http.StatusOK, off},
	}
	for _, tt := range tests {
		status, body := ask(w.handler(), request{method: tt.method, path: w.state(), body: tt.body})
		if status != tt.status || body != tt.want {
			t.Errorf("%s %.60s = %d %s, want %d %s", tt.method, tt.body, status, body, tt.status, tt.want)
		}
	}
	w.until = start.Add(-time.Second)
	if _, body := ask(w.handler(), request{path: w.state()}); body != off {
		t.Errorf("a protection that is over is told as %s", body)
	}
}

func TestProtectionFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := request{method: http.MethodPut, path: w.state(), body: `{"ProtectionEnabled":true}`}
	w.failure = "TASK_NOT_VALID"
	want := `{"failure":{"Arn":"` + taskOne + `","Detail":null,"Reason":"TASK_NOT_VALID"}}`
	for _, q := range []request{put, {path: w.state()}} {
		if status, body := ask(w.handler(), q); status != http.StatusOK || body != want {
			t.Errorf("%s = %d %s, want %s", q.method, status, body, want)
		}
	}
	w.failure, w.err = "", errors.New("disk /private")
	if status, body := ask(w.handler(), put); status != http.StatusInternalServerError || !strings.Contains(body, "ServerException") || strings.Contains(body, "private") {
		t.Errorf("a store that fails: %d %s", status, body)
	}
	w.err, w.until = nil, time.Time{}
	put.from = "172.31.0.11"
	if status, body := ask(w.handler(), put); status != http.StatusNotFound || !w.until.IsZero() {
		t.Errorf("another task protects this one: %d %s", status, body)
	}
}
