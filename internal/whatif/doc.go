// Package whatif says what another scaling policy would have done: it lets a load pass, second by second in virtual time,
// through the production scaler (internal/scaler with core/alarm and core/scaling over a store in memory), once with today's
// policy and once with a new one. A week by the second takes some seconds of CPU, and the same question has the same answer
// to the byte.
//
//	load ──▶ plant (the model of the tasks) ──▶ recorder (a metrics.Reader) ──▶ scaler.Loop ──▶ desired count
//	              ▲                                                                                 │
//	              └──────────────────── tasks, which take their time to start ◀─────────────────────┘
//
// What is production's: alarms, their windows and when they are evaluated, policies, cool-downs, the fast lane, scheduled
// actions, bounds. Measurements have the names and the statistics of package meter, and become known a moment after their
// second (or minute) has ended: a scaler's turn at that very time does not see them yet.
//
// What is a model:
//   - Tasks: work is a fluid. All running tasks together drain it, first in, first out, each with its capacity. The CPU is
//     that of an idle task and what is served of the capacity; all tasks have the same. What waits longer than the patience
//     is lost. So the balancer is taken to be perfect, and one request as good as any other.
//   - Response times: those of M/M/c (Poisson arrivals, exponential service, one worker a task, one queue), plus the wait
//     behind the backlog. There are means and no percentiles.
//   - Capacity and idle CPU: the least squares of the recorded minutes (Fit), whose error the report tells.
//   - Arrivals of a load that is known by the minute: at random inside of it (Poisson, work of exponential size), by a seed.
//     A load by the second is taken as it is.
//   - The scheduler: tasks are started and stopped at once, the youngest stop first; a task serves after the start time, which
//     is the median of the service's tasks. There is no deployment, no failure, no drain. No more tasks are there than the
//     machines have room for, as full as they are now.
//   - The beginning: no cool-down is in force and no alarm has a state.
//   - Metrics that the model does not know (memory, those of users) are replayed as recorded, or refused without a record.
//
// How wrong that is: TestTruth simulates each request by itself (Poisson arrivals, exponential service, a queue for each
// task), has the model learn from one such day and predicts another policy on a load that it has not seen. The errors that it
// allows are in the test; the report compares today's policy with what was recorded.
package whatif
