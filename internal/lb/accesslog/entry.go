// Package accesslog writes what a load balancer did with each request, in the line format of Application Load Balancers
// ("Access logs for your Application Load Balancer", "Access log entries"), to a file. Whoever writes an entry never waits
// for the disk: what does not fit into the buffer is dropped and counted.
package accesslog

import (
	"net/netip"
	"strconv"
	"time"
)

// Entry is one request. Empty members are written as "-", as are zero codes; times that were never reached are negative.
type Entry struct {
	Type         string // http https h2 grpcs ws wss
	Time         time.Time
	LoadBalancer string // app/NAME/ID
	Client       netip.AddrPort
	Target       string // address:port of the target that answered
	// The times, in order: until the target had the request, until it began to answer, until the client had the beginning.
	Request, Processing, Response time.Duration
	Code, TargetCode              int
	Received, Sent                int64 // bytes, heads included
	Method, Protocol              string
	URL                           URL
	UserAgent                     string
	Cipher, TLS                   string
	Group                         string // ARN
	Trace                         []byte // X-Amzn-Trace-Id
	Domain                        string // of SNI
	Certificate                   string // ARN, or session-reused
	Priority                      int    // of the rule; 0 is the default one, -1 none was looked for
	Created                       time.Time
	Actions                       string // comma-separated
	Redirect                      string
	Error                         string
	Targets                       string // address:port of all that were tried, space-separated
	TargetCodes                   string // space-separated
	Class, Reason                 string
	Connection                    string // TID_ and 32 hex digits
	Host, URI, Transform          string // what a transform made of them
}

// URL is the address of a request, in its parts: to put them together would cost an allocation for each request.
type URL struct {
	Scheme, Host string
	Port         int
	Path, Query  string
	Asked        bool // there is a query, be it empty
}

func (u *URL) append(b []byte) []byte {
	b = append(append(b, u.Scheme...), "://"...)
	b = append(escaped(b, u.Host), ':')
	b = escaped(strconv.AppendInt(b, int64(u.Port), 10), u.Path)
	if u.Asked {
		b = escaped(append(b, '?'), u.Query)
	}
	return b
}

// appendTime writes a time as 2006-01-02T15:04:05.000000Z; time's own formats take four times as long.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(digits(b, year, 4), '-')
	b = append(digits(b, int(month), 2), '-')
	b = append(digits(b, day, 2), 'T')
	b = append(digits(b, hour, 2), ':')
	b = append(digits(b, minute, 2), ':')
	b = append(digits(b, second, 2), '.')
	return append(digits(b, t.Nanosecond()/1000, 6), 'Z')
}

// wholeSeconds is what times begin with.
const wholeSeconds = "2006-01-02T15:04:05."

// created writes when the request came; most came in the second of Time, which is written already.
func (e *Entry) created(b, second []byte) []byte {
	if e.Created.Unix() != e.Time.Unix() {
		return appendTime(b, e.Created)
	}
	return append(digits(append(b, second...), e.Created.Nanosecond()/1000, 6), 'Z')
}

// digits writes the last n digits of a number; n is 8 at most.
func digits(b []byte, v, n int) []byte {
	var text [8]byte
	for i := n - 1; i >= 0; i, v = i-1, v/10 {
		text[i] = byte('0' + v%10)
	}
	return append(b, text[:n]...)
}

// Append adds the line of the entry, with its end.
func (e *Entry) Append(b []byte) []byte {
	b = word(b, e.Type)
	at := len(b)
	b = append(appendTime(b, e.Time), ' ')
	b = word(b, e.LoadBalancer)
	if e.Client.IsValid() {
		b = append(e.Client.AppendTo(b), ' ')
	} else {
		b = append(b, "- "...)
	}
	b = word(b, e.Target)
	b = seconds(b, e.Request)
	b = seconds(b, e.Processing)
	b = seconds(b, e.Response)
	b = code(b, e.Code)
	b = code(b, e.TargetCode)
	b = append(strconv.AppendInt(b, e.Received, 10), ' ')
	b = append(strconv.AppendInt(b, e.Sent, 10), ' ')
	b = e.request(b)
	b = quoted(b, e.UserAgent)
	b = word(b, e.Cipher)
	b = word(b, e.TLS)
	b = word(b, e.Group)
	b = quoted(b, e.Trace)
	b = quoted(b, e.Domain)
	b = quoted(b, e.Certificate)
	if e.Priority < 0 {
		b = append(b, "- "...)
	} else {
		b = append(strconv.AppendInt(b, int64(e.Priority), 10), ' ')
	}
	b = append(e.created(b, b[at:at+len(wholeSeconds)]), ' ')
	for _, s := range [...]string{e.Actions, e.Redirect, e.Error, e.Targets, e.TargetCodes, e.Class, e.Reason} {
		b = quoted(b, s)
	}
	b = word(b, e.Connection)
	for _, s := range [...]string{e.Host, e.URI, e.Transform} {
		b = quoted(b, s)
	}
	b[len(b)-1] = '\n'
	return b
}

// request writes the request line; of one that could not be read there are three dashes with the trailing space that ALB
// leaves.
func (e *Entry) request(b []byte) []byte {
	if e.Method == "" {
		return append(b, `"- - - " `...)
	}
	b = append(b, '"')
	b = escaped(b, e.Method)
	b = append(b, ' ')
	b = e.URL.append(b)
	b = append(b, ' ')
	b = append(b, e.Protocol...)
	return append(b, `" `...)
}

func word(b []byte, s string) []byte {
	if s == "" {
		return append(b, "- "...)
	}
	return append(append(b, s...), ' ')
}

func quoted[T string | []byte](b []byte, s T) []byte {
	if len(s) == 0 {
		return append(b, `"-" `...)
	}
	b = append(b, '"')
	return append(escaped(b, s), `" `...)
}

// maxEscaped is where long values of clients are cut: a line stays short whatever is sent.
const maxEscaped = 8 << 10

// escaped writes what comes from outside: quotes, backslashes and bytes that are not printable become \xHH, so that no
// client can end a field or a line.
func escaped[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	s = s[:min(len(s), maxEscaped)]
	clean := 0 // where what can be written as it is begins
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			b = append(b, s[clean:i]...)
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
			clean = i + 1
		}
	}
	return append(b, s[clean:]...)
}

// seconds writes a time with three decimals, -1 for one that was not reached.
func seconds(b []byte, d time.Duration) []byte {
	if d < 0 {
		return append(b, "-1 "...)
	}
	ms := (d + time.Millisecond/2).Milliseconds()
	b = append(strconv.AppendInt(b, ms/1000, 10), '.')
	rest := ms % 1000
	return append(b, byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10), ' ')
}

func code(b []byte, status int) []byte {
	if status <= 0 {
		return append(b, "- "...)
	}
	return append(strconv.AppendInt(b, int64(status), 10), ' ')
}
