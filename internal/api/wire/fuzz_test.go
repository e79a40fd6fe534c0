package wire

import (
	"net/http"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
)

// answered checks that a request was answered well: never a panic, which the
// handler turns into a 500.
func answered(t *testing.T, h *Handler, r *http.Request) {
	t.Helper()
	w := serve(h, r)
	if w.Code != http.StatusOK && (w.Code < 400 || w.Code > 499) {
		t.Errorf("status = %d, want 200 or 4xx; body %s", w.Code, w.Body)
	}
	if w.Code != http.StatusOK {
		if code, message := readError(t, w); code == "" || message == "" {
			t.Errorf("error %q %q, want a code and a message", code, message)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"family":"web","containerDefinitions":[{"name":"a","cpu":10,"image":"i"}]}`,
		`{"family":"\ud834\udd1e\u0000\/","volumes":null}`, `{"cpu":1e400}`, `{"ephemeralStorage":{"sizeInGiB":21.0}}`,
		`{"containerDefinitions":[{"dockerLabels":{"a":"b","a":"c"},"firelensConfiguration":{"options":{}}}]}`,
		`{"tags":[{"key":"k","value":"v"}],"unknown":[1,{"x":[true,false,null]}]}`, `{"family":"` + "\xff\xfe" + `"}`,
		deep("[", "", "]", 70), deep(`{"a":`, "1", "}", 70), `{"cpu"`, `{"cpu":}`, `{"a":-}`, `{"a":01}`, `{"a":"\x"}`,
	} {
		f.Add([]byte(seed))
	}
	h := newTestHandler(f, Config{}, smallServices(nil)...)
	f.Fuzz(func(t *testing.T, body []byte) {
		answered(t, h, ecsRequest("RegisterTaskDefinition", string(body)))
	})
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		``, `&&=&`, `Actions.member.1.Type=forward&Actions.member.1.Order=1`, `Actions.member.1.Order=x`, `Priority=`,
		`Conditions.member.2.Values.member.1=a&Conditions.member.1.Field=path-pattern`, `Actions=`, `Actions.member=`,
		`Actions.member.99999999999999999999.Type=x`, `Actions.member.-1.Type=x`, `Actions.member.01.Type=a&Actions.member.1.Type=b`,
		`Actions.member.1.AuthenticateOidcConfig.AuthenticationRequestExtraParams.entry.1.key=k`, `%zz`, `a%00=b`, `Priority.x=1`,
		`...=1`, `Actions..Type=1`, deep("a.", "b", "", 70),
	} {
		f.Add(seed)
	}
	h := newTestHandler(f, Config{}, smallServices(nil)...)
	f.Fuzz(func(t *testing.T, body string) {
		answered(t, h, formRequest("Action=CreateRule&Version=2015-12-01&"+body))
	})
}

func FuzzCBOR(f *testing.F) {
	whole := cbor.Encode(cbor.Map{
		"Namespace": cbor.String("n"),
		"MetricData": cbor.List{cbor.Map{
			"MetricName": cbor.String("m"), "Value": cbor.Float64(1.5), "StorageResolution": cbor.Uint(1),
			"Timestamp": &cbor.Tag{ID: 1, Value: cbor.Uint(1)}, "Values": cbor.List{cbor.Float32(1)},
		}},
		"StrictEntityValidation": cbor.Bool(true),
	})
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	for _, seed := range []string{
		"", "\xa0", "\xbf\xff", "\x9f\xff", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x7f\x61a\xff", "\x5f\x41a\xff", "\x3b\xff\xff\xff\xff\xff\xff\xff\xff", "\xc1\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00",
		"\xa1\x61a\xf6", "\xf9\x7e\x00", "\xf8\x18", "\xff", "\xa1\x01\x02", "\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	h := newTestHandler(f, Config{}, smallServices(nil)...)
	f.Fuzz(func(t *testing.T, body []byte) {
		answered(t, h, cborRequest(putMetricData, body))
	})
}
