// Package agent makes a machine run the tasks that are wanted of it, and tells what it sees of them.
//
// What flows through it: the store's watch says what is wanted of this machine; each task has a lifecycle.Life that
// decides what follows; the driver is told, in bounded numbers of calls at a time; its answers, its stream of changes
// and the results of health checks are the facts that the lives are told next. What they publish is written by one
// writer that commits everything pending at once, at once. One goroutine holds all lives; there is one timer, for the
// earliest thing that is due. Nothing polls.
//
// What it guarantees: a container is started once, whenever the agent is killed and restarted; what the store does not
// want, or does not know, does not run; what a task was given (ports, an address, a sandbox) is remembered before it is
// used, and another's only when it was freed; while the store cannot be reached, tasks, their restarts and their health
// checks go on, and the newest observation of each is written when it is back.
package agent
