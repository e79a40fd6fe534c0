package l7

import (
	"net/http"
	"strconv"
	"strings"
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

// addHeaders applies the listener's attributes to a response.
func (ex *exchange) addHeaders(h http.Header) {
	for _, f := range ex.profile.fields {
		h[f.name] = []string{f.value}
	}
	if ex.profile.hideServer {
		delete(h, "Server")
	}
}
