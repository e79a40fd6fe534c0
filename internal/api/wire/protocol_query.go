package wire

import (
	"maps"
	"net/http"
	"slices"

	"github.com/maitred/maitred/internal/api/wire/codec"
)

// queryProtocol is awsQuery, and ec2Query where the service's style says so:
// forms in, XML out.
type queryProtocol struct {
	codec   *codec.Codec
	service *Service // nil for errors before a service is known
}

func (p queryProtocol) id() Protocol {
	if p.style() == codec.EC2Query {
		return ProtocolEC2
	}
	return ProtocolQuery
}

func (p queryProtocol) style() codec.Style {
	if p.service == nil {
		return codec.AWSQuery
	}
	return p.service.QueryStyle
}

func (p queryProtocol) decode(m message, in any) error {
	return p.codec.DecodeForm(m.form, p.style(), in)
}

func (p queryProtocol) encode(r *Request, out any) (answer, error) {
	x := xmlBody{namespace: p.namespace()}
	if p.style() == codec.EC2Query {
		x.open(r.Operation + "Response")
		x.text("requestId", r.RequestID)
		x.members(p.codec, codec.EC2Query, out)
	} else {
		x.open(r.Operation + "Response")
		x.value(p.codec, r.Operation+"Result", out)
		x.open("ResponseMetadata")
		x.text("RequestId", r.RequestID)
		x.close("ResponseMetadata")
	}
	x.close(r.Operation + "Response")
	return x.answer(http.StatusOK)
}

func (p queryProtocol) encodeError(r *Request, e wireError) (answer, error) {
	x := xmlBody{namespace: p.namespace()}
	if p.style() == codec.EC2Query {
		x.namespace = "" // EC2's errors are in none
		x.open("Response")
		x.open("Errors")
		x.open("Error")
		x.text("Code", e.queryCode)
		x.text("Message", e.Message)
		x.close("Error")
		x.close("Errors")
		x.text("RequestID", r.RequestID)
		x.close("Response")
		return x.answer(e.status)
	}
	x.open("ErrorResponse")
	x.open("Error")
	x.text("Type", e.Fault.String())
	x.text("Code", e.queryCode)
	x.text("Message", e.Message)
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		x.value(p.codec, name, e.Fields[name])
	}
	x.close("Error")
	x.text("RequestId", r.RequestID)
	x.close("ErrorResponse")
	return x.answer(e.status)
}

func (p queryProtocol) namespace() string {
	if p.service == nil {
		return ""
	}
	return p.service.Namespace
}

// xmlBody is an XML document under construction; the first error stays. The
// namespace goes onto the first element.
type xmlBody struct {
	namespace string
	buf       []byte
	err       error
}

func (x *xmlBody) open(name string) {
	x.buf = append(append(x.buf, '<'), name...)
	if x.namespace != "" {
		x.buf = append(x.buf, ` xmlns="`...)
		x.buf = append(codec.AppendXMLText(x.buf, x.namespace), '"')
		x.namespace = ""
	}
	x.buf = append(x.buf, '>')
}

func (x *xmlBody) close(name string) {
	x.buf = append(append(append(x.buf, "</"...), name...), '>')
}

func (x *xmlBody) text(name, text string) {
	x.open(name)
	x.buf = codec.AppendXMLText(x.buf, text)
	x.close(name)
}

func (x *xmlBody) value(c *codec.Codec, name string, v any) {
	if x.err == nil {
		x.buf, x.err = c.AppendXML(x.buf, codec.AWSQuery, name, v)
	}
}

func (x *xmlBody) members(c *codec.Codec, s codec.Style, v any) {
	if x.err == nil {
		x.buf, x.err = c.AppendXMLMembers(x.buf, s, v)
	}
}

func (x *xmlBody) answer(status int) (answer, error) {
	return answer{status: status, contentType: "text/xml", body: x.buf}, x.err
}
