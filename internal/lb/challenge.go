package lb

import (
	"net"
	"strings"
)

// answer gives the proof that is asked for, if one is pending for the host (RFC 8555, 8.3).
func (b *Balancer) answer(host, token string) (string, bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for c := range b.config.Store.View().Certificates() {
		for _, x := range c.Challenges {
			if x.Token == token && x.Name == host {
				return x.Answer, true
			}
		}
	}
	return "", false
}
