package l4

import (
	"net"
	"net/netip"
	"time"
)

// End says how a connection or a flow ended; "" while it goes on.
type End string

// The ends. What is counted for CloudWatch follows from them ("CloudWatch metrics for your Network Load Balancer").
const (
	EndClosed       End = "closed"       // both sides have said all; a flow of UDP has been idle
	EndClientReset  End = "client-reset" // TCP_Client_Reset_Count
	EndTargetReset  End = "target-reset" // TCP_Target_Reset_Count
	EndIdle         End = "idle"         // reset by the balancer, as all that follow: TCP_ELB_Reset_Count
	EndUnhealthy    End = "unhealthy"
	EndDeregistered End = "deregistered"
	EndShutdown     End = "shutdown"
	EndRejected     End = "rejected"    // there are too many: RejectedFlowCount
	EndBlocked      End = "blocked"     // the security groups do not let the client in: SecurityGroupBlockedFlowCount_Inbound
	EndNoTarget     End = "no-target"   // no target may be chosen
	EndUnreachable  End = "unreachable" // none of those that were tried took the connection
	EndClientTLS    End = "client-tls"  // ClientTLSNegotiationErrorCount
	EndTargetTLS    End = "target-tls"  // TargetTLSNegotiationErrorCount
)

// Sample is what happened to a connection or a flow since the last sample of it. The first one has New, the last one End.
type Sample struct {
	LoadBalancer, Listener, Group string // ARNs; "" where it did not get that far
	Target                        string // path
	Protocol                      string // TCP, TLS, UDP
	Client                        netip.AddrPort
	At                            time.Time
	Age                           time.Duration // since it was accepted
	New                           bool
	FailOpen                      bool  // of a new one: the target was chosen though it is not healthy
	FromClient, ToClient          int64 // bytes of payload
	End                           End
	TLSVersion, Cipher            uint16 // of a TLS listener, as in crypto/tls
	ALPN, ServerName              string // likewise
}

// addrOf is the address of a peer; zero for what has none, as pipes.
func addrOf(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
