import HTTPServing
import HummingbirdCore
import Logging
import NIOCore

/// HTTP/1.1 whose routes run on the event loop of their connection.
///
/// Otherwise each request goes from the loop to Swift's own threads and back, and the two wake-ups cost more than most
/// answers here do. What may take milliseconds leaves the loop, on which other connections wait: ``offEventLoop(_:)``.
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

/// Runs what grows with what it was asked for on Swift's own threads, so that the other connections of the loop go on.
func offEventLoop<Value: Sendable>(
    _ body: @Sendable @concurrent () async throws -> Value
) async rethrows -> Value {
    try await withTaskExecutorPreference(globalConcurrentExecutor) { try await body() }
}

/// Runs jobs on one event loop.
private final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
