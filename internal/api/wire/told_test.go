package wire

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTold: each request is told of with the operation that it names, if there is one, and the code of the error.
func TestTold(t *testing.T) {
	t.Parallel()
	var told []Done
	h, err := NewHandler(Config{Told: func(d Done) { d.Took = 0; told = append(told, d) }}, smallServices(nil)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		"Action=GetCallerIdentity&Version=2011-06-15", "Action=CreateTrustStore&Version=2015-12-01", "Action=Invented&Version=2011-06-15", "Action=",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	want := []string{"GetCallerIdentity ", "CreateTrustStore UnsupportedOperation", " UnknownOperationException", " MissingAction"}
	var got []string
	for _, d := range told {
		got = append(got, d.Operation+" "+d.Code)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is told (-want +got):\n%s", diff)
	}
	if told[0].Service == "" || told[3].Service != "" {
		t.Errorf("the services are %q and %q", told[0].Service, told[3].Service)
	}
}
