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
    /// What is in `work` is performed even if the claim then throws: a row in state `submitting` must be sent.
    func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp
    /// Performs one piece of work. It never fails, since it records every failure.
    func perform(_ work: Work) async
}

/// A loop that lets a worker claim due work, and perform it concurrently with its next claim.
///
/// `run()` is thin: tests call `step()`, which does the same once and waits for the work.
package struct WorkerLoop<Driven: Worker>: Service {
    package let worker: Driven
    let storage: StorageMonitor
    let schedule: ScheduleCorrector
    let time: any TimeSource
    let logger: Logger

    /// Performs what is due now, or a part of it, and returns when to call again.
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
                        // No rule may make this loop spin.
                        let soonest = time.now() + .milliseconds(work.isEmpty ? 5 : 0)
                        // `next` may come from a clock that was set back since.
                        let latest = time.now() + .seconds(60)
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

    /// What could be claimed, and when to call again, or why the claim failed.
    ///
    /// Checks storage and clock first: it claims nothing if nothing can be stored, or by a clock that was just set.
    package func claim() async -> ([Driven.Work], Result<Timestamp, TaskStoreError>) {
        var work: [Driven.Work] = []
        guard await storage.check() else { return ([], .success(time.now() + .seconds(2))) }
        do throws(TaskStoreError) {
            guard try await schedule.followClock() else {
                return ([], .success(time.now() + .milliseconds(20)))
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
        logger.error("\(Driven.self) goes on in a moment: \(error.message)")
        return time.now() + .seconds(min(count, 5))
    }
}
