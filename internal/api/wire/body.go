package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// readBody reads the whole body, decompressed, within the limit, and counts in
// sent what was read of it as it came. SDKs compress large bodies of
// PutMetricData (AWS: "requestCompression").
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, sent *int64) ([]byte, error) {
	limit := h.config.BodyBytesMax
	if r.ContentLength > limit {
		return nil, bodyTooLarge(limit)
	}
	raw := counter{http.MaxBytesReader(w, r.Body, limit), sent}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		body, err := readAll(raw, r.ContentLength, limit)
		return body, bodyError(err, limit)
	case "gzip":
		unzipped, err := gzip.NewReader(raw)
		if err != nil {
			return nil, bodyError(err, limit)
		}
		body, err := readAll(unzipped, 0, limit)
		return body, bodyError(err, limit)
	default:
		e := malformed(fmt.Sprintf("Content-Encoding %.100q is not supported; gzip is", encoding))
		e.HTTPStatus = http.StatusUnsupportedMediaType
		return nil, e
	}
}

// counter counts the bytes that are read through it.
type counter struct {
	reader io.Reader
	n      *int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	*c.n += int64(n)
	return n, err
}

// readAll reads at most limit bytes; more are an error. The length that the
// client claims is believed only so far, because claiming costs it nothing.
func readAll(r io.Reader, claimed, limit int64) ([]byte, error) {
	const believedMax = 64 << 10
	var buf bytes.Buffer
	if claimed > 0 {
		buf.Grow(int(min(claimed, believedMax)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = &http.MaxBytesError{Limit: limit}
	}
	return buf.Bytes(), err
}

func bodyTooLarge(limit int64) *Error {
	return tooLarge(fmt.Sprintf("the request body is larger than %d bytes", limit))
}

// bodyError turns an error of reading into the sender's: it sent too much, or
// broken gzip, or went away.
func bodyError(err error, limit int64) error {
	var tooMuch *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooMuch):
		return bodyTooLarge(limit)
	default:
		return malformed("the request body cannot be read: " + err.Error())
	}
}
