// Package lb is a balancer: the process that serves load balancers. It follows the store, compiles what it finds there into
// one route table, swaps that in, and has listeners (l7, l4) serve by it and targets checked (probe). What it observes of
// its targets it writes back: their health, and when one that is being deregistered is drained.
//
//	store ──watch──▶ loop ──Compile──▶ table ◀──load── l7, l4 ──begin, end──▶ flight
//	  ▲                ▲                                   │refused
//	  └────writer──────┴──────changed, suspected─── probe ◀┘
//
// One goroutine, the loop, decides (loop.go, observe.go); what others have to tell it they leave in its inbox. The table is
// read by all others through one pointer. While the store is away, the last table is served, targets go on being checked,
// and what was observed is written when the store is back (writer.go).
//
// Sockets (sockets.go) outlive the servers behind them (ports.go), and the process: a balancer that is started beside a
// running one takes them over (takeover.go).
package lb
