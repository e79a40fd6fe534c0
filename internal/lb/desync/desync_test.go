package desync_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/lb/desync"
)

// get is a request line and a Host field, to which a test adds.
const get, post = "GET / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nHost: a\r\n"

type verdict struct {
	class   desync.Class
	reason  string
	refuse  int
	length  int64
	chunked bool
}

func vectors() map[string]struct {
	raw  string
	want verdict
} {
	type v = struct {
		raw  string
		want verdict
	}
	const c, a, m, s = desync.Compliant, desync.Acceptable, desync.Ambiguous, desync.Severe
	return map[string]v{
		"plain":                  {get + "\r\n", verdict{c, "", 0, 0, false}},
		"a body":                 {post + "Content-Length: 5\r\n\r\n", verdict{c, "", 0, 5, false}},
		"chunked":                {post + "Transfer-Encoding: chunked\r\n\r\n", verdict{c, "", 0, -1, true}},
		"chunked and white":      {post + "Transfer-Encoding:\tChunked \r\n\r\n", verdict{c, "", 0, -1, true}},
		"identity":               {post + "Transfer-Encoding: identity\r\n\r\n", verdict{c, "", 0, 0, false}},
		"HTTP/1.0 without Host":  {"GET / HTTP/1.0\r\n\r\n", verdict{c, "", 0, 0, false}},
		"absolute":               {"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", verdict{c, "", 0, 0, false}},
		"high bytes in a target": {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", verdict{c, "", 0, 0, false}},
		"a lower method":         {"get / HTTP/1.1\r\nHost: a\r\n\r\n", verdict{c, "", 0, 0, false}},
		"high bytes in a value":  {get + "X: \xe4\r\n\r\n", verdict{c, "", 0, 0, false}},

		"bare LF":                       {"GET / HTTP/1.1\nHost: a\n\n", verdict{a, desync.NonCRLFLineTermination, 0, 0, false}},
		"GET of nothing":                {get + "Content-Length: 0\r\n\r\n", verdict{a, desync.GetHeadZeroContentLength, 0, 0, false}},
		"a space in the target":         {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", verdict{a, desync.SpaceInURI, 0, 0, false}},
		"HTTP/1.3":                      {"GET / HTTP/1.3\r\nHost: a\r\n\r\n", verdict{a, desync.NonCompliantVersion, 0, 0, false}},
		"a space after the version":     {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", verdict{a, desync.NonCompliantVersion, 0, 0, false}},
		"a space in a name":             {get + "X Y: b\r\n\r\n", verdict{a, desync.NonCompliantHeader, 0, 0, false}},
		"a control in a value":          {get + "X: \x01\r\n\r\n", verdict{a, desync.NonCompliantHeader, 0, 0, false}},
		"HTTP/0.9":                      {"GET /\r\n\r\n", verdict{a, desync.NonCompliantVersion, 400, 0, false}},
		"GET with a body":               {get + "Content-Length: 5\r\n\r\n", verdict{m, desync.UndefinedContentLength, 0, 5, false}},
		"GET chunked":                   {get + "Transfer-Encoding: chunked\r\n\r\n", verdict{m, desync.UndefinedTransferEncoding, 0, -1, true}},
		"HTTP/1.0 chunked":              {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", verdict{m, desync.UndefinedTransferEncoding, 0, -1, true}},
		"CL.TE":                         {post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n", verdict{m, desync.BothTeClPresent, 0, -1, true}},
		"TE.CL":                         {post + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n", verdict{m, desync.BothTeClPresent, 0, -1, true}},
		"CL twice, equal":               {post + "Content-Length: 6\r\nContent-Length: 6\r\n\r\n", verdict{m, desync.DuplicateContentLength, 0, 6, false}},
		"a space before the colon":      {post + "Content-Length : 5\r\n\r\n", verdict{m, desync.SuspiciousHeader, 0, 0, false}},
		"an underscore":                 {post + "Transfer_Encoding: chunked\r\n\r\n", verdict{m, desync.SuspiciousHeader, 0, 0, false}},
		"no hyphen":                     {post + "ContentLength: 5\r\n\r\n", verdict{m, desync.SuspiciousHeader, 0, 0, false}},
		"a long s":                      {post + "Tran\xc5\xbffer-Encoding: chunked\r\n\r\n", verdict{m, desync.SuspiciousHeader, 0, 0, false}},
		"a dotless i":                   {post + "Transfer-Encod\xc4\xb1ng: chunked\r\n\r\n", verdict{m, desync.SuspiciousHeader, 0, 0, false}},
		"a vertical tab before a name":  {post + "\x0bTransfer-Encoding: chunked\r\n\r\n", verdict{m, desync.SuspiciousHeader, 0, 0, false}},
		"a name that is none":           {get + ": b\r\n\r\n", verdict{m, desync.EmptyHeader, 0, 0, false}},
		"no colon":                      {get + "X\r\n\r\n", verdict{m, desync.MissingHeaderColon, 0, 0, false}},
		"a fold":                        {get + "X: a\r\n b\r\n\r\n", verdict{m, desync.MultilineHeader, 0, 0, false}},
		"a fold that looks like a name": {get + "X: a\r\n Content-Length: 9\r\n\r\n", verdict{m, desync.MultilineHeader, 0, 0, false}},
		"a fold of a media type":        {post + "Content-Type: multipart/mixed;\r\n boundary=b\r\n\r\n", verdict{c, "", 0, 0, false}},
		"a tab in the target":           {"GET /a\tHTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", verdict{m, desync.AmbiguousURI, 0, 0, false}},

		"CL twice, different":        {post + "Content-Length: 6\r\nContent-Length: 7\r\n\r\n", verdict{s, desync.MultipleContentLength, 400, 7, false}},
		"CL as a list":               {post + "Content-Length: 6, 6\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"CL with a plus":             {post + "Content-Length: +5\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"CL negative":                {post + "Content-Length: -5\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"CL in hexadecimal":          {post + "Content-Length: 0x5\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"CL with an underscore":      {post + "Content-Length: 5_0\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"CL empty":                   {post + "Content-Length:\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"CL of 2^64":                 {post + "Content-Length: 18446744073709551616\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"CL of 2^63":                 {post + "Content-Length: 9223372036854775808\r\n\r\n", verdict{s, desync.BadContentLength, 400, 0, false}},
		"TE unknown":                 {post + "Transfer-Encoding: xchunked\r\n\r\n", verdict{s, desync.BadTransferEncoding, 400, 0, false}},
		"TE with a vertical tab":     {post + "Transfer-Encoding: \x0bchunked\r\n\r\n", verdict{s, desync.BadTransferEncoding, 400, 0, false}},
		"TE with a parameter":        {post + "Transfer-Encoding: chunked;a=b\r\n\r\n", verdict{s, desync.BadTransferEncoding, 400, 0, false}},
		"TE empty":                   {post + "Transfer-Encoding:\r\n\r\n", verdict{s, desync.BadTransferEncoding, 400, 0, false}},
		"chunked, then identity":     {post + "Transfer-Encoding: chunked, identity\r\n\r\n", verdict{s, desync.BadTransferEncoding, 400, 0, false}},
		"chunked twice":              {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", verdict{s, desync.MultipleChunked, 400, 0, false}},
		"identity and CL":            {post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", verdict{s, desync.BadTransferEncoding, 400, 0, false}},
		"TE gzip":                    {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", verdict{c, "", 501, 0, false}},
		"TE folded":                  {post + "Transfer-Encoding:\r\n chunked\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"a fold before the fields":   {"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"a bare CR":                  {get + "X: a\rContent-Length: 5\r\n\r\n", verdict{s, desync.BadHeader, 0, 0, false}},
		"CR CR LF":                   {get + "X: a\r\r\n\r\n", verdict{s, desync.BadHeader, 0, 0, false}},
		"NUL in a value":             {get + "X: a\x00\r\n\r\n", verdict{s, desync.BadHeader, 0, 0, false}},
		"NUL in a name":              {get + "X\x00: a\r\n\r\n", verdict{s, desync.BadHeader, 0, 0, false}},
		"NUL in the target":          {"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", verdict{s, desync.BadURI, 0, 0, false}},
		"CR in the target":           {"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", verdict{s, desync.BadURI, 0, 0, false}},
		"HTTP/1.32":                  {"GET / HTTP/1.32\r\nHost: a\r\n\r\n", verdict{s, desync.BadVersion, 400, 0, false}},
		"HTTP/2.0":                   {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", verdict{s, desync.BadVersion, 505, 0, false}},
		"http/1.1":                   {"GET / http/1.1\r\nHost: a\r\n\r\n", verdict{s, desync.BadVersion, 400, 0, false}},
		"two versions":               {"GET / HTTP/1.1 HTTP/1.1x\r\nHost: a\r\n\r\n", verdict{s, desync.BadVersion, 400, 0, false}},
		"a method with a tab":        {"GE\tT / HTTP/1.1\r\nHost: a\r\n\r\n", verdict{s, desync.BadMethod, 400, 0, false}},
		"a space before the method":  {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", verdict{s, desync.BadMethod, 400, 0, false}},
		"no Host":                    {"GET / HTTP/1.1\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"two Hosts":                  {get + "Host: a\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"a Host with a path":         {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"a Host with a user":         {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"a Host with a space":        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"a Host with a space before": {"GET / HTTP/1.1\r\nHost : a\r\nHost: b\r\n\r\n", verdict{s, desync.BadHeader, 400, 0, false}},
		"only a method":              {"GET\r\nHost: a\r\n\r\n", verdict{m, desync.MissingURI, 400, 0, false}},
		"no target":                  {"GET HTTP/1.1\r\nHost: a\r\n\r\n", verdict{m, desync.MissingURI, 400, 0, false}},
		"bytes that are none":        {"\x16\x03\x01\x02\x00\x01\n\n", verdict{s, desync.BadMethod, 400, 0, false}},
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tt := range vectors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if end := end([]byte(tt.raw)); end != len(tt.raw) {
				t.Fatalf("End: got %d, want %d", end, len(tt.raw))
			}
			var h desync.Head
			h.Parse([]byte(tt.raw))
			got := verdict{h.Class, h.Reason, h.Refuse, h.Length, h.Chunked}
			if got.refuse != 0 {
				got.length, tt.want.length, got.chunked, tt.want.chunked = 0, 0, false, false
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			writes(t, &h)
		})
	}
}

// writes checks what the package promises: a request that is written from a head that is not refused means one thing.
func writes(t *testing.T, h *desync.Head) {
	t.Helper()
	if h.Refuse != 0 {
		return
	}
	var again desync.Head
	raw := write(h)
	again.Parse(raw)
	if again.Refuse != 0 || again.Chunked != h.Chunked || again.Length != h.Length || len(again.Fields) != len(h.Fields) {
		t.Errorf("%q reads differently when it is written again: %+v", raw, again)
	}
	if end(raw) != len(raw) {
		t.Errorf("%q does not end where it ends", raw)
	}
	if again.Class > desync.Acceptable && again.Reason != desync.UndefinedContentLength && again.Reason != desync.UndefinedTransferEncoding {
		t.Errorf("%q is still %v, %s", raw, again.Class, again.Reason)
	}
}

func write(h *desync.Head) []byte {
	b := append(append([]byte{}, h.Method...), ' ')
	b = append(desync.WriteTarget(b, h.Target), " HTTP/1."...)
	b = append(strconv.AppendInt(b, int64(h.Minor), 10), "\r\n"...)
	for _, f := range h.Fields {
		b = append(append(append(append(b, f.Name...), ": "...), f.Value...), "\r\n"...)
	}
	switch {
	case h.Chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case h.Length > 0:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), h.Length, 10), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func end(raw []byte) int {
	var scan desync.Scan
	return scan.End(raw)
}

func TestEndIsFoundInPieces(t *testing.T) {
	t.Parallel()
	for name, tt := range vectors() {
		raw := []byte(tt.raw + "next")
		var scan desync.Scan
		for i := 1; i <= len(tt.raw); i++ {
			got := scan.End(raw[:i])
			if want := len(tt.raw); i == want && got != want || i < want && got != 0 {
				t.Errorf("%s: after %d of %d bytes End gives %d", name, i, want, got)
			}
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attribute string
		want      string // blocked classes
	}{
		{"monitor", ""},
		{"defensive", "Severe"},
		{"strictest", "Acceptable Ambiguous Severe"},
		{"", "Severe"},
	} {
		var got []string
		for c := desync.Compliant; c <= desync.Severe; c++ {
			if desync.ParseMode(tt.attribute).Blocks(c) {
				got = append(got, c.String())
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q blocks %q, want %q", tt.attribute, s, tt.want)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	raw := []byte(get + "User-Agent: x\r\nAccept: */*\r\nCookie: a=b\r\n\r\n")
	var h desync.Head
	h.Parse(raw)
	if n := testing.AllocsPerRun(100, func() { h.Parse(raw) }); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range vectors() {
		f.Add([]byte(tt.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = raw[desync.Blank(raw):]
		end := end(raw)
		if end == 0 {
			return
		}
		before := bytes.Clone(raw)
		var h desync.Head
		h.Parse(raw[:end])
		if !bytes.Equal(before, raw) {
			t.Fatal("Parse changes what it reads")
		}
		writes(t, &h)
	})
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(get + "User-Agent: curl/8.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: session=0123456789abcdef\r\nX-Request-Id: 17\r\n\r\n")
	var h desync.Head
	b.ReportAllocs()
	for b.Loop() {
		if end(raw) != len(raw) {
			b.Fatal("no end")
		}
		h.Parse(raw)
	}
}
