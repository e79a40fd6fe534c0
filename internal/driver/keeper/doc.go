// Package keeper is the one small process of a machine that is the parent of all containers that no daemon runs: those of
// the driver process, which are plain programs, and those of the driver oci, which it has runc or crun make.
//
// The agent may be killed, upgraded and restarted at will: what it started runs on, because its parent is the keeper.
// The keeper starts programs, copies what they write into bounded files, reaps them and remembers how they ended, and
// tells all this over a unix socket to whoever runs as the same user. It decides nothing: when to start, stop or
// restart is the agent's business.
//
// A plain program is a session of its own. What leaves the session is caught too: exactly by a cgroup (version 2) where the
// keeper may make one, else because the keeper is the subreaper of all that it started (see sweep).
//
// The keeper keeps a journal, so that even when it is killed itself, its successor finds the processes that still run
// by pid, start time and boot id; only the exit codes of those are lost, because a stranger's exit code cannot be read.
//
// It is the maitred binary, executed again with the verb keeper (see Main).
package keeper
