package l7

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Codes that only Application Load Balancers have ("Troubleshoot your Application Load Balancers").
const (
	codeClientGone   = 460 // in access logs only
	codeTooManyXFF   = 463
	codeIncompatible = 464
)

// serverName is what is in the Server field of generated responses.
const serverName = "awselb/2.0"

// title is the text of a generated page.
func title(code int) string {
	switch code {
	case http.StatusServiceUnavailable:
		return "503 Service Temporarily Unavailable"
	case http.StatusGatewayTimeout:
		return "504 Gateway Time-out"
	case http.StatusRequestTimeout:
		return "408 Request Time-out"
	case http.StatusRequestURITooLong:
		return "414 Request-URI Too Large"
	case http.StatusRequestHeaderFieldsTooLarge:
		return "431 Request Header Fields Too Large"
	case http.StatusMethodNotAllowed:
		return "405 Not Allowed"
	}
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// page is the body of a generated response.
func page(code int) string {
	t := title(code)
	return "<html>\r\n<head><title>" + t + "</title></head>\r\n<body>\r\n<center><h1>" + t + "</h1></center>\r\n</body>\r\n</html>\r\n"
}

// generate answers with a page of the load balancer's own, for a reason that only the access log is told.
func (ex *exchange) generate(code int, why string) {
	ex.generated, ex.entry.Code = true, code
	if ex.entry.Error == "" {
		ex.entry.Error = why
	}
	if ex.began {
		ex.client.abort()
		return
	}
	if code == codeClientGone {
		ex.client.abort()
		return
	}
	ex.client.Header().Set("Content-Type", "text/html")
	ex.write(code, page(code))
}

// write answers with a text of the load balancer's own.
func (ex *exchange) write(code int, text string) {
	ex.generated, ex.entry.Code = true, code
	h := ex.client.Header()
	h.Set("Server", serverName)
	for _, c := range ex.cookies {
		h.Add("Set-Cookie", c)
	}
	ex.addHeaders(h)
	ex.began = true
	head := ex.request.method == http.MethodHead
	ex.client.start(code, int64(len(text)), head)
	if !head {
		_, _ = ex.client.Write([]byte(text))
	}
	_ = ex.client.finish(nil) // whoever left does not read it
}

// responseFields are the header fields that a listener may set, by the middle of their attributes' names ("Header
// modification for your Application Load Balancer").
func responseFields() []struct{ attribute, field string } {
	return []struct{ attribute, field string }{
		{"strict_transport_security", "Strict-Transport-Security"},
		{"access_control_allow_origin", "Access-Control-Allow-Origin"},
		{"access_control_allow_methods", "Access-Control-Allow-Methods"},
		{"access_control_allow_headers", "Access-Control-Allow-Headers"},
		{"access_control_allow_credentials", "Access-Control-Allow-Credentials"},
		{"access_control_expose_headers", "Access-Control-Expose-Headers"},
		{"access_control_max_age", "Access-Control-Max-Age"},
		{"content_security_policy", "Content-Security-Policy"},
		{"x_content_type_options", "X-Content-Type-Options"},
		{"x_frame_options", "X-Frame-Options"},
	}
}

// addHeaders applies the listener's attributes to a response.
func (ex *exchange) addHeaders(h http.Header) {
	if ex.listener == nil || len(ex.listener.Record.Attributes) == 0 {
		return
	}
	l := ex.listener.Record
	for _, f := range responseFields() {
		if v := l.Attribute("routing.http.response." + f.attribute + ".header_value"); v != "" {
			h.Set(f.field, v)
		}
	}
	if l.Attribute(model.AttributeServerHeader) == "false" {
		h.Del("Server")
	}
}
