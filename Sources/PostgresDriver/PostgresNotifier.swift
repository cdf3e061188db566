import Dispatch
import Synchronization

/// Tells other processes that the log has new lines, and hears of theirs. It has its own connection and uses `NOTIFY`
/// (https://www.postgresql.org/docs/15/sql-notify.html).
///
/// A `NOTIFY` inside a commit would serialize all commits of the server, so it has its own transaction. At most one is sent each
/// 50 ms. A lost one does no harm, because every process also reads the log each second.
final class PostgresNotifier: Sendable {
    /// What the notifier's queue uses.
    private struct Link {
        let connection: PostgresConnection
        /// Hears of what arrives. It keeps the connection until it has ended. Sources can be used on any thread, which
        /// Dispatch does not declare.
        nonisolated(unsafe) let source: any DispatchSourceRead
    }

    private struct State {
        var onCommitOfOthers: (@Sendable () -> Void)?
        var link: Link?
        /// Whether a `NOTIFY` is to be sent, or is being sent.
        var hasNews = false
        var sentAt: ContinuousClock.Instant?
        var isClosed = false
    }

    private static let leastGap = Duration.milliseconds(50)
    private static let retryAfter = DispatchTimeInterval.seconds(5)

    private let options: PostgresOptions
    private let state = Mutex(State())
    /// Connecting and sending block, so they run on a thread of their own.
    private let queue = DispatchQueue(label: "pollux.postgres.notifier")

    init(_ options: PostgresOptions) { self.options = options }

    /// Begins to listen. `onCommitOfOthers` must not block.
    func begin(_ onCommitOfOthers: @escaping @Sendable () -> Void) {
        state.withLock { $0.onCommitOfOthers = onCommitOfOthers }
        queue.async { self.connect() }
    }

    /// Tells the others that this process has appended lines to the log.
    func noteCommit() {
        let wait = state.withLock { state -> Duration? in
            guard !state.hasNews, state.link != nil else { return nil }
            state.hasNews = true
            return state.sentAt.map { max(.zero, Self.leastGap - $0.duration(to: .now)) } ?? .zero
        }
        guard let wait else { return }
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(wait / .nanoseconds(1)))) { self.send() }
    }

    /// Ends the connection after the work in progress.
    func close() async {
        await withCheckedContinuation { continuation in
            queue.async { [self] in
                state.withLock { $0.isClosed = true }
                disconnect()
                continuation.resume()
            }
        }
    }

    // MARK: On the queue

    private func connect() {
        guard state.withLock({ !$0.isClosed && $0.link == nil }) else { return }
        do {
            let connection = try PostgresConnection(options)
            // A notification that a crash of the server loses is not missed.
            try connection.run(script: "SET synchronous_commit TO off; LISTEN pollux")
            let source = DispatchSource.makeReadSource(fileDescriptor: connection.descriptor, queue: queue)
            source.setEventHandler { [weak self] in self?.hear() }
            source.setCancelHandler { withExtendedLifetime(connection) {} }
            state.withLock { $0.link = Link(connection: connection, source: source) }
            source.resume()
            // There may have been commits before it listened.
            state.withLock { $0.onCommitOfOthers }?()
        } catch {
            connectLater()
        }
    }

    private func connectLater() {
        disconnect()
        queue.asyncAfter(deadline: .now() + Self.retryAfter) { [weak self] in self?.connect() }
    }

    private func disconnect() {
        let link = state.withLock { state in
            state.hasNews = false
            return state.link.take()
        }
        link?.source.cancel()
    }

    private func send() {
        guard let connection = state.withLock({ $0.link?.connection }) else { return }
        state.withLock { ($0.hasNews, $0.sentAt) = (false, .now) }
        do { try connection.run(script: "NOTIFY pollux") } catch { return connectLater() }
        hear()
    }

    private func hear() {
        guard let connection = state.withLock({ $0.link?.connection }) else { return }
        do {
            if try connection.takeNotifications() { state.withLock { $0.onCommitOfOthers }?() }
        } catch {
            connectLater()
        }
    }
}
