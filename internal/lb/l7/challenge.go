package l7

import (
	"net/http"
	"strings"
)

// challengePath is where an ACME server asks for a proof that a name is ours (RFC 8555, 8.3).
const challengePath = "/.well-known/acme-challenge/"

// prove answers an ACME server, whatever the rules say, as long as it may ask. All others find there what the rules say.
func (ex *exchange) prove() bool {
	r := ex.request
	token, ok := strings.CutPrefix(r.path, challengePath)
	if !ok || ex.server.config.Challenge == nil || r.method != http.MethodGet {
		return false
	}
	answer, ok := ex.server.config.Challenge(r.host, token)
	if !ok {
		return false
	}
	ex.client.Header().Set("Content-Type", "application/octet-stream")
	ex.write(http.StatusOK, answer)
	return true
}
