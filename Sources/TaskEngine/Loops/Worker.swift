import Logging
package import ServiceLifecycle
package import TaskModel
package import TaskStore

/// A loop that claims what is due and does it beside its next round.
///
/// `run()` is thin: tests call `step()`, which does the same once and waits for it.
package protocol Worker: Service {
    /// One claimed piece of work.
    associatedtype Work: Sendable
    /// What it shares with the others.
    var context: EngineContext { get }
    /// Ends its wait early.
    var wake: WakeSignal { get }
    /// Takes what is due now, so that nobody else does, and says when to come back: at once, if it took only a part.
    ///
    /// What was put into `work` is done even if the claim then throws: a row that says "being sent" must be sent.
    func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp
    /// Does one piece of work; never fails, since every failure is an answer to be recorded.
    func perform(_ work: Work) async
}

extension Worker {
    /// Does what is due now, or a part of it, and returns when to come back.
    package func step() async throws(TaskStoreError) -> Timestamp {
        let (work, outcome) = await claim()
        await withDiscardingTaskGroup { group in
            for piece in work { group.addTask { await perform(piece) } }
        }
        return try outcome.get()
    }

    /// Goes on until shutdown begins, then waits for the work under way.
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
                        // Nothing that a rule says may make this loop spin.
                        let soonest = context.time.now() + .milliseconds(work.isEmpty ? 5 : 0)
                        // `next` may rest on a clock that was set back since.
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

    /// What could be claimed, and when to come back or why not everything could.
    ///
    /// The storage and the clock are looked at first: nothing is claimed where nothing can be stored, or by a clock that was
    /// set.
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

    /// A store in trouble is asked again, less and less often; a damaged one stops the daemon.
    private func recover(from error: TaskStoreError, times: inout Int) throws(TaskStoreError) -> Timestamp {
        if case .damaged = error { throw error }
        times += 1
        context.logger.error("\(Self.self) goes on in a moment: \(error.message)")
        return context.time.now() + .seconds(min(times, 5))
    }
}
