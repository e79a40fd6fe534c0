package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"

	"github.com/maitred/maitred/internal/lb/tlspolicy"
	"github.com/maitred/maitred/internal/model"
)

// tlsListener is how TLS is negotiated, made once for each state of the listener.
type tlsListener struct {
	record *model.Listener
	config *tls.Config
	err    error
}

// handshake negotiates TLS with the client; it says false where nothing came of it.
func (c *conn) handshake() (stream, bool) {
	config, err := c.server.tlsFor(c.listener.Record)
	if err != nil {
		c.server.cfg.Log.Warn("TLS cannot be negotiated", "listener", c.server.cfg.ARN, "error", err)
		return nil, false
	}
	ctx, cancel := context.WithTimeout(c.server.life, handshakeTimeout)
	defer cancel()
	keepAlive(c.raw)
	secured := tls.Server(c.raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		c.server.cfg.Log.Debug("a client does not come to an agreement on TLS", "listener", c.server.cfg.ARN, "error", err)
		_ = c.raw.Close() // not by a reset: the client should get the alert that says why
		return nil, false
	}
	c.state = secured.ConnectionState()
	if c.state.NegotiatedProtocol == proofProtocol { // the certificate was all
		_ = secured.Close()
		return nil, false
	}
	return secured, true
}

// proofProtocol is what an ACME server negotiates that looks for a proof (RFC 8737).
const proofProtocol = "acme-tls/1"

func (s *Server) tlsFor(l *model.Listener) (*tls.Config, error) {
	known := s.tls.Load()
	if known == nil || known.record != l {
		known = &tlsListener{record: l}
		known.config, known.err = s.serverTLS(l)
		s.tls.Store(known)
	}
	return known.config, known.err
}

func (s *Server) serverTLS(l *model.Listener) (*tls.Config, error) {
	if s.cfg.Certificate == nil {
		return nil, errors.New("the listener has no certificate")
	}
	plain := &tls.Config{GetCertificate: s.cfg.Certificate, GetConfigForClient: s.cfg.Prove} //nolint:gosec // the policy sets the versions
	if err := tlspolicy.Apply(l.SSLPolicy, plain); err != nil {
		return nil, err
	}
	protocols := alpn(l.ALPN)
	if len(protocols) == 0 {
		return plain, nil
	}
	negotiating := plain.Clone()
	negotiating.NextProtos = protocols
	// A client that offers none of the protocols goes on without one.
	negotiating.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.ContainsFunc(hello.SupportedProtos, func(p string) bool { return slices.Contains(protocols, p) }) {
			return nil, nil //nolint:nilnil // as documented: this very configuration
		}
		if s.cfg.Prove != nil {
			if proof, err := s.cfg.Prove(hello); proof != nil || err != nil {
				return proof, err
			}
		}
		return plain, nil
	}
	return negotiating, nil
}

// alpn lists the protocols of an ALPN policy, the preferred one first ("ALPN policies").
func alpn(policy []string) []string {
	if len(policy) == 0 {
		return nil
	}
	switch policy[0] {
	case "HTTP1Only":
		return []string{"http/1.1", "http/1.0"}
	case "HTTP2Only":
		return []string{"h2"}
	case "HTTP2Optional":
		return []string{"http/1.1", "http/1.0", "h2"}
	case "HTTP2Preferred":
		return []string{"h2", "http/1.1", "http/1.0"}
	}
	return nil
}

// targetTLS is how TLS is negotiated with targets: with the name and the protocol that the client has chosen. The target's
// certificate is not looked at ("Target groups for your Network Load Balancers").
func (c *conn) targetTLS() *tls.Config {
	config := &tls.Config{ServerName: c.state.ServerName, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10} //nolint:gosec // as AWS does
	if c.state.NegotiatedProtocol != "" {
		config.NextProtos = []string{c.state.NegotiatedProtocol}
	}
	return config
}
