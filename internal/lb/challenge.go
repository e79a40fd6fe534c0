package lb

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/maitred/maitred/internal/model"
)

// answer gives the proof that is asked for, if one is pending for the host (RFC 8555, 8.3).
func (b *Balancer) answer(host, token string) (string, bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for c := range b.config.Store.View().Certificates() {
		for _, x := range c.Challenges {
			if !x.TLS && x.Token == token && x.Name == host {
				return x.Answer, true
			}
		}
	}
	return "", false
}

// prove gives how TLS is negotiated with an ACME server that has a proof pending for a host (RFC 8737), nil for all others.
// On such a connection nothing is said.
func (b *Balancer) prove(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != acmez.ACMETLS1Protocol {
		return nil, nil //nolint:nilnil // as tls.Config.GetConfigForClient has it
	}
	x, ok := b.pending(strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")))
	if !ok {
		return nil, nil //nolint:nilnil // the same
	}
	proof, err := acmez.TLSALPN01ChallengeCert(acme.Challenge{
		Type: acme.ChallengeTypeTLSALPN01, Identifier: acme.Identifier{Type: "dns", Value: x.Name}, KeyAuthorization: x.Answer,
	})
	if err != nil {
		return nil, fmt.Errorf("prove to an ACME server that %s is ours: %w", x.Name, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{*proof}, NextProtos: []string{acmez.ACMETLS1Protocol}, MinVersion: tls.VersionTLS12}, nil
}

// pending finds a proof by TLS for a host.
func (b *Balancer) pending(host string) (model.Challenge, bool) {
	for c := range b.config.Store.View().Certificates() {
		for _, x := range c.Challenges {
			if x.TLS && x.Name == host {
				return x, true
			}
		}
	}
	return model.Challenge{}, false
}
