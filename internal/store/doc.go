// Package store keeps the control state: one typed View, one guarded Update, one Watch, over a Backend that makes it
// durable. The backends are etcd (package store/etcd) and, for simulations and tests, memory (package store/mem); what
// both must do is written down as tests in package store/storetest.
//
// # Reading
//
// A Store follows its backend with one goroutine and keeps the decoded world, or the part that concerns one machine
// (Scope), in ordered trees with copy-on-write. Store.View takes a snapshot: immutable, consistent at one revision, free.
// A task and what was observed of it are two records with two writers, and one joined row in the view.
//
// # Writing
//
// Store.Update runs a function on a snapshot and commits what it wrote, provided that nothing of it has changed since;
// if it has, the function runs again. When Update returns, the view shows the result. Store.Apply makes one attempt from
// a given view and does not wait, for those who would rather plan again. Everything that leaders write carries a Fence:
// a deposed leader that has not noticed yet cannot write any more.
//
// A commit whose answer is lost is never repeated blindly. The backend on etcd settles it by a marker that each commit
// writes (see there); only if nobody answers does the caller get ErrUnknownOutcome.
//
// # Watching
//
// A Watcher collects which records changed until its owner takes them. It is told differences, so a broken stream, a
// compaction or a slow owner make it less precise (everything may have changed), never wrong.
//
// # Why trees and not go-memdb
//
// Measured on 2 shared cores with 100,000 tasks in four indexes, 100 tasks between two snapshots:
//
//	                                go-memdb 1.3.5    this package
//	put a task                      24 µs             11 µs, the commit to the memory backend included
//	replace a task                  31 µs             17 µs, likewise, for an observation: it moves four indexes
//	memory of a task's indexes      2130 B            144 B
//	the ten tasks of a service      4.7 µs            1.9 µs, one allocation
//
// (BenchmarkInsert, BenchmarkObserve, BenchmarkScanServices.) Most of what is left is comparing ARNs.
//
// # What writes cost
//
// On the same machine, embedded etcd, with 0.21 ms for a bare append and fsync: an Update of one record has a median of
// 0.41 ms until it is durable and seen, one of 100 records 2.9 ms; 64 writers make 8,000 transactions a second. Another
// store sees a commit 42 µs after its answer. A new directory serves after 60 ms, one with 10,000 records after 160 ms.
// (Benchmarks in package store/etcd.)
package store
