// Package peer is the direct line to an agent or a balancer, for what must not go through the store: logs, commands in
// containers, files, measurements.
//
// An agent listens with a certificate and a token that it makes anew at each start, and publishes both in its machine's
// record, which only those can read who are let into the store. Whoever calls it knows it by the certificate's
// fingerprint, and is known to it by the token. Inside one process the way is the same.
package peer
