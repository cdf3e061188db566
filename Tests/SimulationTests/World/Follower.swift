import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

@testable import TaskEngine

/// A client that follows the stream of all events, over crashes and restarts. It begins with the oldest line, and resumes after
/// the last place that it has seen.
final class Follower: Sendable {
    /// What the client was sent.
    enum Message: Sendable {
        case line(Int64)
        /// Lines up to that place may be missing.
        case reset(upTo: Int64)
        /// The stream begins with the oldest line. Lines up to that place may have been removed before.
        case oldest(removedUpTo: Int64)
    }

    private struct State {
        var messages: [Message] = []
        var place: (epoch: String, sequence: Int64)?
        /// The open connection, and the daemon at its other end.
        var stream: EventStream?
    }

    private let random: SharedRandom
    private let state = Mutex(State())

    init(random: SharedRandom) { self.random = random }

    /// Whether the client reads in this step.
    var wantsToRead: Bool { random.happens(150) }

    /// Removes and returns what came since the last call.
    func takeMessages() -> [Message] {
        state.withLock { state in
            defer { state.messages = [] }
            return state.messages
        }
    }

    /// Loses the connection, as with its daemon.
    func disconnect() { state.withLock { $0.stream = nil } }

    /// Reads what there is, over the open connection or a new one. Sometimes the connection breaks in between.
    func read(from streams: EventStreams) async throws(TaskServiceError) {
        guard let stream = try await connected(to: streams) else { return }
        do throws(TaskStoreError) {
            // An item at a time; a silent stream does not wait.
            for _ in 1...20 {
                streams.change(stream.id) { $0.isSilent = true }
                guard let item = try await stream.next() else { return disconnect() }
                if !take(item, from: stream) { return }
            }
        } catch {
            disconnect()
            throw .store(error)
        }
    }

    private func connected(to streams: EventStreams) async throws(TaskServiceError) -> EventStream? {
        let (stream, place) = state.withLock { ($0.stream, $0.place) }
        if let stream, !random.happens(200) { return stream }
        disconnect()
        let start = place.map { EventStreams.Start.after(epoch: $0.epoch, sequence: $0.sequence) } ?? .oldest
        do throws(EventStreamRefusal) {
            let opened = try await streams.open(EventFilter(), from: start, limit: 10)
            state.withLock { $0.stream = opened }
            if case .oldest = start { try await noteRemovals(in: streams) }
            return opened
        } catch {
            if case .store(let error) = error { throw .store(error) }
            return nil
        }
    }

    private func noteRemovals(in streams: EventStreams) async throws(EventStreamRefusal) {
        do throws(TaskStoreError) {
            let removed = try await streams.store.log.bounds().0.removedUpTo
            state.withLock { $0.messages.append(.oldest(removedUpTo: removed)) }
        } catch {
            disconnect()
            throw .store(error)
        }
    }

    /// Notes an item; false if there is nothing more for now, or the connection broke.
    private func take(_ item: EventStream.Item, from stream: EventStream) -> Bool {
        let breaks = random.happens(100)
        return state.withLock { state in
            switch item {
            case .lines(let lines):
                // The client has some of the lines when the connection breaks.
                for line in breaks ? lines.prefix(lines.count / 2) : lines[...] {
                    state.messages.append(.line(line.sequence))
                    state.place = (stream.epoch, line.sequence)
                }
                if breaks { state.stream = nil }
                return !breaks
            case .reset(let reset):
                state.messages.append(.reset(upTo: reset.newest))
                state.place = (stream.epoch, reset.newest)
                return true
            case .caughtUp: return true
            case .silence:
                state.place = (stream.epoch, stream.position)
                return false
            }
        }
    }
}

/// Compares what a follower was sent with the log.
struct FollowerAudit {
    /// The places of all lines about tasks that were on disk.
    private var lines: [Int64] = []
    /// The place up to which everything was sent or reported.
    private var place: Int64 = 0

    mutating func note(_ events: [DiskView.EventLine]) {
        lines += events.filter { !$0.task.isEmpty }.map(\.sequence)
    }

    mutating func take(_ messages: [Follower.Message]) throws {
        for message in messages {
            switch message {
            case .line(let sequence):
                guard sequence > place else { throw Violation(.streamIsWhole, "line \(sequence) came after \(place)") }
                if let missing = lines.first(where: { $0 > place && $0 < sequence }) {
                    throw Violation(.streamIsWhole, "line \(missing) did not come, and \(sequence) did")
                }
                place = sequence
            case .reset(let newest): place = max(place, newest)
            case .oldest(let removed): lines.removeAll { $0 <= removed }
            }
        }
        lines.removeAll { $0 <= place }
    }

    /// The first line that has not come yet; nil if all came.
    var missing: Int64? { lines.first }
}
