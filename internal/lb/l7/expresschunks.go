package l7

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// bringChunks sends a chunked answer to the client, in chunks of its own: b is the head, which goes with the first of them.
// What has come is sent on before more is waited for.
func (ex *exchange) bringChunks(h *h1, c *targetConn, b []byte) (err error, byClient bool) { //nolint:revive // whose fault comes second
	trailer := http.Header{}
	body := framed{in: c.in, chunked: true, trailer: func(line []byte) {
		name, value, _ := strings.Cut(string(line), ":")
		trailer.Add(name, strings.Trim(value, " \t"))
	}}
	buf := ex.server.groups.buffer()
	defer ex.server.groups.copies.Put(buf)
	for {
		n, err := body.read(*buf)
		if n > 0 {
			b = append(strconv.AppendInt(b, int64(n), 16), "\r\n"...)
			b = append(append(b, (*buf)[:n]...), "\r\n"...)
		}
		if body.ended {
			b = appendEnd(b, trailer)
		}
		if _, werr := h.wire.Write(b); werr != nil {
			return werr, true
		}
		h.plainHead = b
		b = b[:0]
		switch {
		case body.ended:
			return nil, false
		case errors.Is(err, errBodyCut):
			return io.ErrUnexpectedEOF, false
		case err != nil:
			return err, false
		}
	}
}

// appendEnd ends a chunked body.
func appendEnd(b []byte, trailer http.Header) []byte {
	b = append(b, "0\r\n"...)
	if len(trailer) > 0 {
		for name, values := range trailersOf(&http.Response{Trailer: trailer}) {
			for _, v := range values {
				b = appendField(b, []byte(name), []byte(v))
			}
		}
	}
	return append(b, "\r\n"...)
}
