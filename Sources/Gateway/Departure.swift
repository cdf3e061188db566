import AsyncAlgorithms
import HTTPServing
import NIOCore
import Synchronization

/// Whether a program goes away before it has the reply to its request.
///
/// One caller at a time may wait for it.
final class Departure: Sendable {
    private struct State {
        var hasHappened = false
        var wait: AsyncStream<Void>.Continuation?
    }

    private let state = Mutex(State())

    /// `onFate` is called once it is known whether the program got the reply.
    init(over channel: any Channel, onFate: @escaping @Sendable (_ isDelivered: Bool) -> Void = { _ in }) {
        DeliveryHandler.track(over: channel, onFate: onFate, onDeparture: { self.happen() })
    }

    private func happen() {
        state.withLock { state in
            state.hasHappened = true
            return state.wait
        }?.finish()
    }

    /// Returns once the program has gone, or when the task is cancelled.
    ///
    /// Each call makes a new stream, because a stream ends when its reader is cancelled.
    private func wait() async {
        let (stream, end) = AsyncStream<Void>.makeStream()
        let hasHappened = state.withLock { state in
            state.wait = end
            return state.hasHappened
        }
        if hasHappened { return }
        for await _ in stream {}
    }

    /// Runs the body; nil if the program goes away first. The body is cancelled then.
    func unless<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await body() }
            group.addTask {
                await self.wait()
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    /// Puts all parts into the channel, and fails it once the program goes away, also while no part comes.
    func fill<Parts: AsyncSequence & Sendable>(
        _ channel: AsyncThrowingChannel<Parts.Element, any Error>, from parts: Parts
    ) async where Parts.Element: Sendable {
        await withTaskGroup { group in
            group.addTask {
                do {
                    for try await part in parts { await channel.send(part) }
                    channel.finish()
                } catch {
                    channel.fail(error)
                }
            }
            group.addTask {
                await self.wait()
                if !Task.isCancelled { channel.fail(CancellationError()) }
            }
            await group.next()
            group.cancelAll()
        }
    }
}
