package wire

import (
	"net/http"
	"strings"
)

// Protocol is one of the AWS protocols.
type Protocol string

// The protocols that are spoken.
const (
	ProtocolJSON  Protocol = "awsJson"
	ProtocolCBOR  Protocol = "rpc-v2-cbor"
	ProtocolQuery Protocol = "awsQuery"
	ProtocolEC2   Protocol = "ec2Query"
)

// Request is what an operation is told about a call besides its Input. Nothing
// in it is authenticated.
type Request struct {
	Service     string // the Name of the Service
	Operation   string
	Protocol    Protocol
	Region      string // from the credential scope, else the handler's default
	AccessKeyID string // from the Authorization header; empty if there is none
	RequestID   string
	RemoteAddr  string // host:port of the peer
	BodyBytes   int64  // of the body as it was sent, before decompression
}

// scope is the Credential of a Signature Version 4: who signed, for what.
type scope struct {
	accessKeyID string
	region      string
	service     string
}

// scopeOf reads the credential scope of a request, from the Authorization header
// or from the query string of a presigned URL. What cannot be read is left
// empty: checking signatures is not the wire's business.
func scopeOf(r *http.Request) scope {
	credential := ""
	if _, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ = strings.Cut(rest, ",")
		credential, _, _ = strings.Cut(credential, " ")
	} else if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		credential = r.URL.Query().Get("X-Amz-Credential")
	}
	return parseScope(credential)
}

// parseScope reads AKID/DATE/REGION/SERVICE/aws4_request.
func parseScope(credential string) scope {
	parts := strings.Split(credential, "/")
	n := len(parts)
	if n < 5 || parts[n-1] != "aws4_request" {
		return scope{accessKeyID: parts[0]}
	}
	return scope{
		accessKeyID: strings.Join(parts[:n-4], "/"),
		region:      parts[n-3],
		service:     parts[n-2],
	}
}

// validRegion reports whether s can be a region: it becomes part of ARNs, of keys
// and of log lines.
func validRegion(s string) bool {
	const regionBytesMax = 32
	if s == "" || len(s) > regionBytesMax || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
