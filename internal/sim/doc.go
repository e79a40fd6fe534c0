// Package sim is a small deterministic world in which the production code of the control plane runs: the scheduler's
// loop with its core, the use cases, the store over its backend in memory, and the agents' life of a task. Machines,
// their containers, the people who call the API and all that goes wrong are simulated.
//
// What flows through it: one goroutine takes events from a heap in the order of virtual time. Everything that is not
// decided by the code under test is drawn from one seed: what people ask for, how long things take, and which faults
// happen how often (each seed has faults of its own: swarm testing). The same seed gives the same run, byte for byte.
//
// What it guarantees: after every event the invariants of the design hold, or Run tells which one does not, and when;
// and when the faults are over, the world comes to rest in bounded time as it shall be, and stays so.
package sim
