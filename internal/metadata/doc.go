// Package metadata is what a task finds out about itself over HTTP: the task metadata endpoint version 4, the credentials
// of its task role, and the task protection endpoint, in ECS's shapes.
//
// Nothing is told without an id that only the containers of the task have. An id is a code of a key of this machine
// over what it stands for, so that it is the same after a restart, cannot be guessed, and need not be kept anywhere. The
// id of a task with an address of its own is a code over that address too: from any other one it is worth nothing.
package metadata
