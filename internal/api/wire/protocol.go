package wire

import (
	"net/http"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// protocol is one way to spell requests, answers and errors of a service.
type protocol interface {
	id() Protocol
	// decode reads a request into the Input struct that in points to.
	decode(m message, in any) error
	// encode writes the Output struct that out points to.
	encode(r *Request, out any) (answer, error)
	// encodeError writes an error.
	encodeError(r *Request, e wireError) (answer, error)
}

// message is the body of a request: bytes, or a form for the query protocols.
type message struct {
	body []byte
	form *codec.Form
}

// answer is a whole HTTP response but for the headers that all have.
type answer struct {
	status      int
	contentType string
	header      [][2]string
	body        []byte
}

// write sends the answer. A client that has gone away is no error of ours.
func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	for _, kv := range a.header {
		h.Set(kv[0], kv[1])
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// queryError is the header by which clients of services that once spoke only the
// query protocol find the old code of an error (AWS: "awsQueryCompatible").
func queryError(service *Service, e wireError) [][2]string {
	if service == nil || service.QueryVersion == "" {
		return nil
	}
	return [][2]string{{"X-Amzn-Query-Error", e.queryCode + ";" + e.Fault.String()}}
}
