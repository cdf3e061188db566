package import LocalAPIContract
import Synchronization
package import VerbatimJSON

/// An item of an event stream.
package enum StreamItem: Sendable {
    /// The daemon has opened the stream.
    case opened
    /// An event, typed and as JSON.
    case event(StreamEventDocument, JSONValue)
    /// All stored events have arrived.
    case caughtUp
    /// Events may be missing between the last one and the next.
    case reset(StreamControlDocument)
}

/// The position of a client in the log, and when it last heard from the daemon.
package final class StreamPlace: Sendable {
    private let state: Mutex<(id: String?, heardAt: ContinuousClock.Instant)>

    /// Begins after the event with that id, at the start of the log for `0`, or now for nil.
    package init(after id: String? = nil) {
        state = Mutex((id, .now))
    }

    /// The id after which the stream resumes; nil if it begins now.
    package var id: String? { state.withLock { $0.id } }
    /// When bytes last arrived, or when waiting for them began.
    package var heardAt: ContinuousClock.Instant { state.withLock { $0.heardAt } }

    func move(to id: String) { state.withLock { $0.id = id } }
    func hear() { state.withLock { $0.heardAt = .now } }
}

extension LocalAPIClient {
    /// The daemon counts as dead after this silence. It sends a keep-alive every 15 s.
    private static let longestSilence = Duration.seconds(60)

    /// Follows the log from the position over one connection, until `onItem` returns false or the connection ends.
    ///
    /// The position advances after each item. Returns false if the connection ended.
    package func follow(
        _ query: EventQuery, from place: StreamPlace, onItem: @escaping @Sendable (StreamItem) async throws -> Bool
    ) async throws -> Bool {
        let began = ContinuousClock.now
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { try await read(query, from: place, onItem: onItem) }
            group.addTask {
                while true {
                    let left = ContinuousClock.now.duration(to: max(began, place.heardAt) + Self.longestSilence)
                    guard left > .zero else {
                        throw LocalAPIClientError.interrupted(
                            "nothing arrived for \(Self.longestSilence.components.seconds) s")
                    }
                    try await Task.sleep(for: left)
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }

    private func read(
        _ query: EventQuery, from place: StreamPlace, onItem: @Sendable (StreamItem) async throws -> Bool
    ) async throws -> Bool {
        let target = LocalAPIRoute.stream.path() + query.text
        let refusal = try await exchange(timeout: .seconds(60)).follow(target, after: place.id) { message in
            place.hear()
            guard let message else { return try await onItem(.opened) }
            if !message.data.isEmpty, let item = try Self.item(message), try await !onItem(item) { return false }
            if let id = message.id { place.move(to: id) }
            place.hear()
            return true
        }
        switch refusal {
        case .ended: return false
        case .left: return true
        case .refused(let status, let json): throw LocalAPIClientError.refusal(status: status, json: json)
        }
    }

    /// Follows the log over any number of connections, until `onItem` returns false or the caller's task is cancelled.
    ///
    /// A daemon that was never there is an error at once, unless `wasThere`. If it goes away, this waits as long as
    /// `mayWait` allows. `mayWait` gets the reason and the time since the last message of the daemon.
    package func followOverRestarts(
        _ query: EventQuery, from place: StreamPlace, wasThere: Bool = false,
        mayWait: @Sendable (LocalAPIClientError?, Duration) -> Bool = { _, _ in true },
        onAway: @Sendable (LocalAPIClientError?) -> Void = { _ in },
        onItem: @escaping @Sendable (StreamItem) async throws -> Bool
    ) async throws {
        var wasThere = wasThere
        var pause = Duration.milliseconds(50)
        while true {
            let opened = Flag()
            var reason: LocalAPIClientError?
            do {
                let isOver = try await follow(query, from: place) { item in
                    if case .opened = item { opened.set() }
                    return try await onItem(item)
                }
                if isOver { return }
            } catch let error as LocalAPIClientError {
                guard wasThere || opened.isSet, error.mayEnd else { throw error }
                reason = error
            }
            if opened.isSet {
                (wasThere, pause) = (true, .milliseconds(50))
                onAway(reason)
            }
            guard mayWait(reason, place.heardAt.duration(to: .now)) else {
                throw reason ?? .interrupted("the stream ended")
            }
            do { try await Task.sleep(for: pause) } catch { throw LocalAPIClientError.cancelled }
            pause = min(pause * 2, .seconds(1))
        }
    }

    private static func item(_ message: EventStreamParser.Message) throws(LocalAPIClientError) -> StreamItem? {
        let json = try Exchange.document(message.data)
        do throws(ContractError) {
            guard json["control"] != nil else { return .event(try StreamEventDocument(json: json), json) }
            let control = try StreamControlDocument(json: json)
            switch control.control {
            case StreamControlDocument.caughtUp: return .caughtUp
            case StreamControlDocument.reset: return .reset(control)
            // A newer daemon may send other types.
            default: return nil
            }
        } catch {
            throw .unreadable(error.message)
        }
    }
}

extension LocalAPIClientError {
    /// Whether an interrupted stream may be opened again later.
    fileprivate var mayEnd: Bool {
        if case .problem(let problem) = self { return problem.status == 503 }
        return isDaemonAway
    }
}

/// A flag that can only be set.
private final class Flag: Sendable {
    private let value = Mutex(false)

    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}
