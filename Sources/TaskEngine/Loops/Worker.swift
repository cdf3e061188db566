import Logging
package import ServiceLifecycle
package import TaskModel
package import TaskStore

/// A loop that claims due work and performs it concurrently with its next claim.
///
/// `run()` is thin: tests call `step()`, which does the same once and waits for the work.
package protocol Worker: Service {
    /// One claimed piece of work.
    associatedtype Work: Sendable
    /// What all workers share.
    var context: EngineContext { get }
    /// Ends its wait early.
    var wake: WakeSignal { get }
    /// Claims due work and returns when to call again (now, if more is due).
    ///
    /// What is in `work` is performed even if the claim then throws: a row in state `submitting` must be sent.
    func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp
    /// Performs one piece of work. It never fails, since it records every failure.
    func perform(_ work: Work) async
}

extension Worker {
    /// Performs what is due now, or a part of it, and returns when to call again.
    package func step() async throws(TaskStoreError) -> Timestamp {
        let (work, outcome) = await claim()
        await withDiscardingTaskGroup { group in
            for piece in work { group.addTask { await perform(piece) } }
        }
        return try outcome.get()
    }

    /// Runs until shutdown begins, then waits for the work in flight.
    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingDiscardingTaskGroup { group in
                var trouble = 0
                while !Task.isShuttingDownGracefully && !Task.isCancelled {
                    let (work, outcome) = await claim()
                    for piece in work {
                        group.addTask {
                            await perform(piece)
                            wake.signal()
                        }
                    }
                    switch outcome {
                    case .success(let next):
                        trouble = 0
                        // No rule may make this loop spin.
                        let soonest = context.time.now() + .milliseconds(work.isEmpty ? 5 : 0)
                        // `next` may come from a clock that was set back since.
                        let latest = context.time.now() + .seconds(60)
                        await wake.wait(until: min(max(next, soonest), latest), on: context.time)
                    case .failure(let error):
                        let comeBack = try recover(from: error, times: &trouble)
                        await context.time.sleep(until: comeBack)
                    }
                }
            }
        } onGracefulShutdown: {
            wake.signal()
        }
    }

    /// What could be claimed, and when to call again, or why the claim failed.
    ///
    /// Checks storage and clock first: it claims nothing if nothing can be stored, or by a clock that was just set.
    package func claim() async -> ([Work], Result<Timestamp, TaskStoreError>) {
        var work: [Work] = []
        guard await context.checkStorage() else { return ([], .success(context.time.now() + .seconds(2))) }
        do throws(TaskStoreError) {
            guard try await context.settleClock() else {
                return ([], .success(context.time.now() + .milliseconds(20)))
            }
            let comeBack = try await claim(into: &work, at: context.time.now())
            return (work, .success(comeBack))
        } catch {
            if case .unknown = error { context.doubtWhatIsKnown() }
            guard !work.isEmpty else { return (work, .failure(error)) }
            context.logger.error("\(Self.self) could claim only \(work.count): \(error.message)")
            return (work, .success(context.time.now() + .seconds(1)))
        }
    }

    /// Backs off after an error of the store. A damaged store stops the daemon.
    private func recover(from error: TaskStoreError, times: inout Int) throws(TaskStoreError) -> Timestamp {
        if case .damaged = error { throw error }
        times += 1
        context.logger.error("\(Self.self) goes on in a moment: \(error.message)")
        return context.time.now() + .seconds(min(times, 5))
    }
}
