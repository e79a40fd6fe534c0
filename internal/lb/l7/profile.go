package l7

import (
	"net/http"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/model"
)

// profile is the attributes of a load balancer and its listener as values. It is made once for each listener of a table.
type profile struct {
	of           *routing.Listener // nil for a listener that is in no table
	name         string            // app/NAME/ID
	port         int
	idle         time.Duration
	keepAlive    time.Duration
	http2        bool
	policy       string
	desync       desync.Mode
	preserveHost bool
	dropInvalid  bool
	xffMode      string
	xffPort      bool
	tlsHeaders   bool
	tlsVersion   string // the field that tells of it
	tlsCipher    string
	renamed      bool    // one of these two has another name than usual
	fields       []field // that responses get
	hideServer   bool
}

// field is a header field.
type field struct{ name, value string }

// profile gives the present one.
func (s *Server) profile(l *routing.Listener) *profile {
	if p := s.profiled.Load(); p != nil && p.of == l {
		return p
	}
	p := newProfile(l)
	s.profiled.Store(p)
	return p
}

func newProfile(l *routing.Listener) *profile {
	if l == nil {
		return &profile{idle: time.Minute, keepAlive: time.Hour}
	}
	lb, r := l.LoadBalancer, l.Record
	p := &profile{
		of: l, port: r.Port, policy: r.SSLPolicy,
		idle:         max(model.Seconds(lb.Attribute(model.AttributeIdleTimeout)), time.Second),
		keepAlive:    max(model.Seconds(lb.Attribute(model.AttributeClientKeepAlive)), time.Minute),
		http2:        lb.Attribute(model.AttributeHTTP2) != "false",
		desync:       desync.ParseMode(lb.Attribute(model.AttributeDesync)),
		preserveHost: lb.Attribute(model.AttributePreserveHost) == "true",
		dropInvalid:  lb.Attribute(model.AttributeDropInvalid) == "true",
		xffMode:      lb.Attribute(model.AttributeXFFMode),
		xffPort:      lb.Attribute(model.AttributeXFFPort) == "true",
		tlsHeaders:   lb.Attribute(model.AttributeTLSHeaders) == "true",
		hideServer:   r.Attribute(model.AttributeServerHeader) == "false",
	}
	p.nameTLS(r)
	_, p.name, _ = strings.Cut(lb.ARN, ":loadbalancer/")
	for _, f := range responseFields() {
		if v := r.Attribute("routing.http.response." + f.value + ".header_value"); v != "" && desync.IsValue(v) {
			p.fields = append(p.fields, field{f.name, v})
		}
	}
	return p
}

// The usual names of the fields that tell of TLS. Clients never say these in our place, whatever ours are called.
const (
	tlsVersionField = "X-Amzn-Tls-Version"
	tlsCipherField  = "X-Amzn-Tls-Cipher-Suite"
)

// nameTLS gives the fields that tell of TLS their names ("Rename mTLS/TLS headers").
func (p *profile) nameTLS(r *model.Listener) {
	name := func(key, usual string) string {
		if v := r.Attribute(key); plainName(v) {
			return http.CanonicalHeaderKey(v)
		}
		return usual
	}
	p.tlsVersion, p.tlsCipher = name(model.AttributeTLSVersionName, tlsVersionField), name(model.AttributeTLSCipherName, tlsCipherField)
	p.renamed = p.tlsVersion != tlsVersionField || p.tlsCipher != tlsCipherField
}

// says tells the fields that only we may set because we call ours so.
func (p *profile) says(name []byte) bool {
	return p.renamed && (is(name, p.tlsVersion) || is(name, p.tlsCipher))
}

func is(name []byte, field string) bool {
	return len(name) == len(field) && strings.EqualFold(string(name), field)
}

// responseFields are the header fields that a listener may set, with what their attributes are called ("Header
// modification for your Application Load Balancer").
func responseFields() []field {
	return []field{
		{"Strict-Transport-Security", "strict_transport_security"},
		{"Access-Control-Allow-Origin", "access_control_allow_origin"},
		{"Access-Control-Allow-Methods", "access_control_allow_methods"},
		{"Access-Control-Allow-Headers", "access_control_allow_headers"},
		{"Access-Control-Allow-Credentials", "access_control_allow_credentials"},
		{"Access-Control-Expose-Headers", "access_control_expose_headers"},
		{"Access-Control-Max-Age", "access_control_max_age"},
		{"Content-Security-Policy", "content_security_policy"},
		{"X-Content-Type-Options", "x_content_type_options"},
		{"X-Frame-Options", "x_frame_options"},
	}
}
