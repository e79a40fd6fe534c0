package wire

import (
	"maps"
	"net/http"
	"slices"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// jsonProtocol is awsJson 1.0 and 1.1.
type jsonProtocol struct {
	codec   *codec.Codec
	service *Service // nil for errors before a service is known
	version string
}

func (p jsonProtocol) id() Protocol { return ProtocolJSON }

func (p jsonProtocol) contentType() string { return "application/x-amz-json-" + p.version }

func (p jsonProtocol) decode(m message, in any) error {
	return p.codec.DecodeJSON(m.body, p.service.Naming, in)
}

func (p jsonProtocol) encode(_ *Request, out any) (answer, error) {
	const usualBytes = 1 << 10
	body, err := p.codec.AppendJSON(make([]byte, 0, usualBytes), p.service.Naming, out)
	return answer{status: http.StatusOK, contentType: p.contentType(), body: body}, err
}

// encodeError writes the message under both spellings: the models of the
// services disagree in the case of its first letter, and clients follow them.
func (p jsonProtocol) encodeError(_ *Request, e wireError) (answer, error) {
	body := append([]byte(nil), `{"__type":`...)
	for _, part := range []struct{ key, value string }{
		{"", e.Code},
		{`,"message":`, e.Message},
		{`,"Message":`, e.Message},
	} {
		body = append(body, part.key...)
		body = codec.AppendJSONString(body, part.value)
	}
	var err error
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		body = append(codec.AppendJSONString(append(body, ','), name), ':')
		if body, err = p.codec.AppendJSON(body, codec.Identity, e.Fields[name]); err != nil {
			return answer{}, err
		}
	}
	return answer{
		status:      e.status,
		contentType: p.contentType(),
		header:      append(queryError(p.service, e), [2]string{"X-Amzn-ErrorType", e.Code}),
		body:        append(body, '}'),
	}, nil
}
