package l7

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/maitred/maitred/internal/lb/desync"
)

// errAnswer is what is wrong with an answer of a target.
var errAnswer = errors.New("the target's answer is malformed")

const (
	maxInterim      = 16  // answers with 1xx before the answer
	maxAnswerFields = 500 // of an answer
)

// readHead reads the head of the answer, after those that are interim.
func (s *sending) readHead() (*http.Response, error) {
	for range maxInterim {
		raw, err := s.conn.in.answerHead()
		if err != nil {
			return nil, err
		}
		resp, err := parseAnswer(raw)
		if err != nil {
			return nil, err
		}
		s.conn.in.take(len(raw))
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return s.switched(resp)
		case resp.StatusCode >= http.StatusOK:
			return s.frame(resp)
		case resp.StatusCode == http.StatusContinue && s.goOn != nil:
			select {
			case s.goOn <- struct{}{}:
			default:
			}
		default:
			s.hint(resp.StatusCode, resp.Header)
		}
	}
	return nil, fmt.Errorf("%w: %w", errAnswer, errInterim)
}

// answerHead reads up to the end of the next head, which stays in the buffer.
func (in *reader) answerHead() ([]byte, error) {
	var scan desync.Scan
	for {
		if b := in.buffered(); len(b) > 0 {
			end := scan.End(b)
			if end > maxAnswer || end == 0 && len(b) > maxAnswer {
				return nil, fmt.Errorf("%w: its head has more than 32 KiB", errAnswer)
			}
			if end > 0 {
				return b[:end], nil
			}
		}
		if in.full() && !in.grow(2*maxAnswer) {
			return nil, fmt.Errorf("%w: its head has more than 32 KiB", errAnswer)
		}
		if err := in.fill(); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
	}
}

// parseAnswer reads a head. It copies what it needs.
func parseAnswer(raw []byte) (*http.Response, error) {
	line, rest := nextLine(raw)
	minor, code, ok := statusLine(line)
	if !ok {
		return nil, fmt.Errorf("%w: its status line", errAnswer)
	}
	resp := &http.Response{StatusCode: code, ProtoMajor: 1, ProtoMinor: minor, Header: make(http.Header, 12)}
	values := make([]string, 0, 16)
	for n := 0; ; n++ {
		if line, rest = nextLine(rest); len(line) == 0 {
			return resp, nil
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		key := canonical(name)
		if !ok || n == maxAnswerFields || !desync.IsToken(key) {
			return nil, fmt.Errorf("%w: a header field", errAnswer)
		}
		v := strings.Trim(string(value), " \t")
		if !desync.IsValue(v) {
			return nil, fmt.Errorf("%w: a header field's value", errAnswer)
		}
		addField(resp.Header, &values, key, v)
	}
}

// nextLine takes a line off, without its end.
func nextLine(raw []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(raw, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// statusLine reads "HTTP/1.1 200 OK"; the reason may be missing.
func statusLine(line []byte) (minor, code int, ok bool) {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, 0, false
	}
	if line[7] != '0' && line[7] != '1' {
		return 0, 0, false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		code = 10*code + int(c-'0')
	}
	return int(line[7] - '0'), code, code >= 100
}

// frame finds where the answer ends (RFC 9112, 6.3). An answer with two lengths is none.
func (s *sending) frame(resp *http.Response) (*http.Response, error) { //nolint:gocyclo // one case for each line of the RFC's list
	h := resp.Header
	if hasToken(h["Connection"], "close") || resp.ProtoMinor == 0 && !hasToken(h["Connection"], "keep-alive") {
		s.lasting = false
	}
	length, err := answerLength(h["Content-Length"])
	if err != nil {
		return nil, err
	}
	b := &answerBody{s: s, resp: resp}
	b.framed.in, b.framed.trailer = s.conn.in, b.trailer
	resp.Body, resp.ContentLength = b, length
	coded := h["Transfer-Encoding"]
	switch {
	case s.request.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified:
		s.lasting = s.lasting && len(coded) == 0 && (s.request.Method == http.MethodHead || length <= 0)
		if s.request.Method != http.MethodHead {
			resp.ContentLength = -1
		}
		b.finish(true)
	case len(coded) == 1 && strings.EqualFold(coded[0], "chunked"):
		if length >= 0 {
			s.lasting = false // which of the two it has meant shows later
		}
		b.framed.chunked, resp.ContentLength = true, -1
	case len(coded) > 0:
		return nil, fmt.Errorf("%w: its transfer coding", errAnswer)
	case length == 0:
		b.finish(true)
	case length > 0:
		b.framed.left = length
	default:
		b.endless, s.lasting = true, false
	}
	return resp, nil
}

// answerLength reads Content-Length; -1 is none. Several have to be the same.
func answerLength(fields []string) (int64, error) {
	length := int64(-1)
	for _, f := range fields {
		n, ok := desync.Number(f)
		if !ok || length >= 0 && n != length {
			return 0, fmt.Errorf("%w: its length", errAnswer)
		}
		length = n
	}
	return length, nil
}

// switched hands over the connection after 101.
func (s *sending) switched(resp *http.Response) (*http.Response, error) {
	if s.request.Header.Get("Upgrade") == "" {
		return nil, fmt.Errorf("%w: it switches protocols unasked", errAnswer)
	}
	resp.Body = &tunnelEnd{targetConn: s.conn, unhook: s.unhook}
	return resp, nil
}

var _ io.ReadWriteCloser = (*tunnelEnd)(nil)
