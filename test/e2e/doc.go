// Package e2e drives the built binary from outside: as a newcomer with the aws CLI, as a program with the Go SDK, and as
// an accident with kill -9.
package e2e
