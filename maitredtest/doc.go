// Package maitredtest runs a whole maitred inside a Go test: the real API of Amazon ECS on a loopback port, the real
// scheduler, the real agents, for as long as the test lasts. There is no AWS account, no network, no disk and no
// container: the state is in memory, and the machines are ones on which containers are values that the test scripts.
//
//	server := maitredtest.Start(t)
//	client := ecs.New(ecs.Options{BaseEndpoint: aws.String(server.Endpoint), Region: server.Region, …})
//
// Everything that speaks to ECS can be tested so: code that deploys, operators, dashboards, in Go or, by the endpoint,
// in any language.
//
// # Time
//
// Time stands still until [Server.Advance] moves it. An hour passes in milliseconds, and everything that was to happen
// in it has happened, one thing after the other, when Advance returns. What needs no time, as the replacement of a task
// that crashed, happens at once and by itself; [Server.Settle] waits until nothing of that is left to be done, so that
// a test need not poll.
//
// # Containers
//
// A container runs until its task is stopped, its health checks pass and its exit code is that of the signal, unless
// the test says otherwise: for starts to come by [Server.Script], for what runs by [Server.Exit] and
// [Server.SetHealth].
package maitredtest
