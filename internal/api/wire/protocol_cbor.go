package wire

import (
	"maps"
	"net/http"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// smithyProtocol is the header that says which of the new protocols is spoken.
const smithyProtocol = "Smithy-Protocol"

// cborProtocol is Smithy RPC v2 CBOR.
type cborProtocol struct {
	codec   *codec.Codec
	service *Service // nil for errors before a service is known
}

func (p cborProtocol) id() Protocol { return ProtocolCBOR }

func (p cborProtocol) decode(m message, in any) error {
	return p.codec.DecodeCBOR(m.body, in)
}

func (p cborProtocol) encode(_ *Request, out any) (answer, error) {
	body, err := p.codec.EncodeCBOR(out)
	return p.answer(http.StatusOK, nil, body), err
}

func (p cborProtocol) encodeError(_ *Request, e wireError) (answer, error) {
	members := maps.Clone(e.Fields)
	if members == nil {
		members = map[string]any{}
	}
	members["__type"], members["message"], members["Message"] = e.Code, e.Message, e.Message
	body, err := p.codec.EncodeCBORMap(members)
	return p.answer(e.status, append(queryError(p.service, e), [2]string{"X-Amzn-ErrorType", e.Code}), body), err
}

func (p cborProtocol) answer(status int, header [][2]string, body []byte) answer {
	return answer{
		status:      status,
		contentType: "application/cbor",
		header:      append(header, [2]string{smithyProtocol, string(ProtocolCBOR)}),
		body:        body,
	}
}
