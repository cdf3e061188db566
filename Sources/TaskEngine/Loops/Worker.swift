import Logging
import ServiceLifecycle
package import TaskModel
package import TaskStore

/// Claims due work of one kind and performs it; ``WorkerLoop`` drives it.
package protocol Worker: Sendable {
    /// One claimed piece of work.
    associatedtype Work: Sendable
    /// Ends its wait early.
    var wake: WakeSignal { get }
    /// Claims due work and returns when to call again (now, if more is due).
    ///
    /// The work in `work` is performed even if the claim then throws: a row in state `submitting` must be sent.
    func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp
    /// Performs one piece of work. It does not throw, because it records every failure.
    func perform(_ work: Work) async
}

/// Runs a worker: claims due work, and performs it concurrently with the next claim.
///
/// `run()` is thin: tests call `step()`, which does the same once and waits for the work.
package struct WorkerLoop<Driven: Worker>: Service {
    package let worker: Driven
    /// The lease under which it claims; nil if its work has leases of its own, or needs none.
    var lease: LeaseName?
    let leases: LeaseKeeper
    let storage: StorageMonitor
    let schedule: ScheduleCorrector
    let time: any TimeSource
    let logger: Logger

    /// Performs due work, or a part of it, and returns when to call again.
    package func step() async throws(TaskStoreError) -> Timestamp {
        let (work, outcome) = await claim()
        await withDiscardingTaskGroup { group in
            for piece in work { group.addTask { await worker.perform(piece) } }
        }
        return try outcome.get()
    }

    /// Runs until shutdown begins, then waits for the work in flight.
    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingDiscardingTaskGroup { group in
                var failures = 0
                while !Task.isShuttingDownGracefully && !Task.isCancelled {
                    let (work, outcome) = await claim()
                    for piece in work {
                        group.addTask {
                            await worker.perform(piece)
                            worker.wake.signal()
                        }
                    }
                    switch outcome {
                    case .success(let next):
                        failures = 0
                        // A minimum pause, so that no rule can make this loop spin.
                        let soonest = time.now() + .milliseconds(work.isEmpty ? 5 : 0)
                        // `next` may come from before the clock was set back.
                        let latest = time.now() + longestWait
                        await worker.wake.wait(until: min(max(next, soonest), latest), on: time)
                    case .failure(let error):
                        let next = try recover(from: error, count: &failures)
                        await time.sleep(until: next)
                    }
                }
            }
        } onGracefulShutdown: {
            worker.wake.signal()
        }
    }

    /// The longest time between two claims. Not every change by another process has a line in the log that wakes the loop.
    private var longestWait: Duration { leases.isShared ? .seconds(10) : .seconds(60) }

    /// The claimed work, and when to call again, or why the claim failed.
    ///
    /// Checks storage, clock and lease first. It claims nothing if nothing can be stored, if the clock was just set, or if
    /// another process has the lease.
    package func claim() async -> ([Driven.Work], Result<Timestamp, TaskStoreError>) {
        var work: [Driven.Work] = []
        guard await storage.check() else { return ([], .success(time.now() + .seconds(2))) }
        do throws(TaskStoreError) {
            guard try await schedule.followClock() else {
                return ([], .success(time.now() + .milliseconds(20)))
            }
            if let lease, let wait = try await leases.acquire(lease, at: time.now()) {
                return ([], .success(wait.until))
            }
            let next = try await worker.claim(into: &work, at: time.now())
            return (work, .success(next))
        } catch {
            storage.invalidateCaches(after: error)
            guard !work.isEmpty else { return (work, .failure(error)) }
            logger.error("\(Driven.self) could claim only \(work.count): \(error.message)")
            return (work, .success(time.now() + .seconds(1)))
        }
    }

    /// Backs off after an error of the store. A damaged store stops the daemon.
    private func recover(from error: TaskStoreError, count: inout Int) throws(TaskStoreError) -> Timestamp {
        if case .damaged = error { throw error }
        count += 1
        logger.error("\(Driven.self) tries again in a moment: \(error.message)")
        return time.now() + .seconds(min(count, 5))
    }
}
