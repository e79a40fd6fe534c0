package routing

import (
	"errors"
	"fmt"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Origin is where a request was sent to, in the parts that a redirect may use again.
type Origin struct {
	Scheme string // http or https
	Host   string // the Host header, with or without a port
	Port   string // of the listener
	Path   string // raw, with its leading slash
	Query  string // raw, without the question mark
}

// The errors of Location.
var (
	// ErrLocationTooLong counts as HTTP_Redirect_Url_Limit_Exceeded_Count.
	ErrLocationTooLong = errors.New("the location of the redirect is longer than 8 KB")
	// ErrLocationHost is the fault of the request.
	ErrLocationHost = errors.New("the host of the redirect is not a host name")
)

// locationMax is the longest Location ("CloudWatch metrics for your Application Load Balancer",
// HTTP_Redirect_Url_Limit_Exceeded_Count).
const locationMax = 8 << 10

// Location is the address that a redirect sends the client to ("Redirect actions"). The port is always named. What may
// stand in no URL is percent-encoded; percent-encoding that came with the request stays. Errors: ErrLocationTooLong,
// ErrLocationHost.
func Location(r *model.Redirect, from Origin) (string, error) {
	from.Host = hostname(from.Host)
	host := from.fill(r.Host)
	if !validHost(host) {
		return "", fmt.Errorf("%w: %q", ErrLocationHost, host)
	}
	path := from.fill(r.Path)
	var b strings.Builder
	b.WriteString(strings.ToLower(from.fill(r.Protocol)))
	b.WriteString("://")
	b.WriteString(host)
	b.WriteByte(':')
	b.WriteString(from.fill(r.Port))
	if !strings.HasPrefix(path, "/") {
		b.WriteByte('/')
	}
	encode(&b, path, "?#")
	if query := from.fill(r.Query); query != "" {
		b.WriteByte('?')
		encode(&b, query, "#")
	}
	if b.Len() > locationMax {
		return "", ErrLocationTooLong
	}
	return b.String(), nil
}

// fill puts the parts of the request in the place of their names; in what was put in nothing is looked for.
func (o *Origin) fill(text string) string {
	if !strings.Contains(text, "#{") {
		return text
	}
	return strings.NewReplacer(
		"#{protocol}", o.Scheme, "#{host}", o.Host, "#{port}", o.Port,
		"#{path}", strings.TrimPrefix(o.Path, "/"), "#{query}", o.Query,
	).Replace(text)
}

// encode writes a text with what may not stand in a URL, and the characters in also, percent-encoded.
func encode(b *strings.Builder, text, also string) {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if c > 0x20 && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) && strings.IndexByte(also, c) < 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}

// validHost says whether a text can be a host name or an address, without a port.
func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && !strings.ContainsFunc(inner, func(c rune) bool {
			return !strings.ContainsRune("0123456789abcdefABCDEF:.", c)
		})
	}
	return host != "" && !strings.ContainsFunc(host, func(c rune) bool {
		return c <= 0x20 || c >= 0x7f || strings.ContainsRune("\"#%/:<>?@[\\]^`{|}", c)
	})
}
