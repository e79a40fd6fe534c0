// Package lifecycle is the life of one task on a machine, decided purely: facts go in (what is wanted, what the driver
// reported, what a health check answered), and at a given time a Plan comes out: what to do now, what to publish, and
// when to look again. There is no clock, no I/O and no goroutine.
//
// What flows through it: New makes a Life of a task, its resolved definition and whatever was found of it, in the store
// and in the driver, so that a life that begins and one that is taken over after a restart are the same thing. The
// methods named after facts (Report, Failed, Checked, Want …) only note what happened. Step decides.
//
// What it guarantees: a task's status only moves forward; a container has at most one attempt that may be alive; nothing
// is started once a stop is decided; whatever was started is signalled, then killed, until the driver says that it
// exited; once a task is STOPPED there is nothing to do and nothing to publish any more.
package lifecycle
