import HTTPServing
import HummingbirdCore
import Logging
package import NIOCore

/// Runs routes on the event loop of their connection.
///
/// Otherwise each request moves to Swift's own threads and back, which costs more than most replies here. Work that may
/// take milliseconds leaves the loop (``offEventLoop(_:)``), because other connections wait for it.
struct HTTP1OnEventLoop: ServerChildChannel {
    let base: ContinuingHTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await withTaskExecutorPreference(EventLoopExecutor(value.channel.eventLoop)) {
            await base.handle(value: value, logger: logger)
        }
    }
}

/// Runs work of unbounded size on Swift's own threads, so that other connections of the loop are not blocked.
func offEventLoop<Value: Sendable>(
    _ body: @Sendable @concurrent () async throws -> Value
) async rethrows -> Value {
    try await withTaskExecutorPreference(globalConcurrentExecutor) { try await body() }
}

/// Runs tasks on the thread of one event loop. They must not block.
package final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    package init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
