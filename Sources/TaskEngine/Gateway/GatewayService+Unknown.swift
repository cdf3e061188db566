import Logging
package import ProviderCatalog
import Synchronization
package import TaskModel
import TaskStore
package import VerbatimJSON

/// UnknownIDs remembers for a minute what providers said about ids that they do not know either.
final class UnknownIDs: Sendable {
    /// An id of a provider.
    struct Key: Hashable {
        let id: RemoteTaskID
        let provider: ProviderName
    }

    private struct State {
        var replies: [Key: (reply: UpstreamReply, until: Timestamp)] = [:]
        /// Those who wait for the reply to a question that another program has asked.
        var waiters: [Key: [CheckedContinuation<Turn, Never>]] = [:]
    }

    /// What one who asks about an id does.
    enum Turn: Equatable {
        case asks
        /// The question of another one is answered.
        case looksAgain
        /// The question of another one failed. To ask again would make those who wait wait one behind another.
        case fails(UpstreamTransportError)
    }

    private static let most = 10_000
    private let state = Mutex(State())

    /// How many wait for the question of another one.
    var waiting: Int { state.withLock { $0.waiters.values.reduce(0) { $0 + $1.count } } }

    /// What the provider said lately; nil if it must be asked.
    func reply(about id: Key, at now: Timestamp) -> UpstreamReply? {
        state.withLock { state in
            guard let known = state.replies[id], known.until > now else { return nil }
            return known.reply
        }
    }

    /// Remembers that the provider does not know the id.
    func note(_ reply: UpstreamReply, about id: Key, at now: Timestamp) {
        state.withLock { state in
            if state.replies.count >= Self.most { state.replies = state.replies.filter { $0.value.until > now } }
            guard state.replies.count < Self.most else { return }
            state.replies[id] = (reply, now + .seconds(60))
        }
    }

    /// Whether the caller is the one that asks about the id. Otherwise returns once the one that asks has its reply.
    func begin(_ id: Key) async -> Turn {
        let isFirst = state.withLock { state in
            guard state.waiters[id] == nil else { return false }
            state.waiters[id] = []
            return true
        }
        if isFirst { return .asks }
        return await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                guard state.waiters[id] != nil else { return true }
                state.waiters[id]?.append(continuation)
                return false
            }
            if isOver { continuation.resume(returning: .looksAgain) }
        }
    }

    /// Lets those go on that wait for the reply about the id.
    func end(_ id: Key, with turn: Turn) {
        for waiter in state.withLock({ $0.waiters.removeValue(forKey: id) }) ?? [] { waiter.resume(returning: turn) }
    }
}

/// What came of a question about an id that no task here has.
package enum AskedProvider: Sendable {
    /// The provider's reply.
    case reply(UpstreamReply)
    /// Another program's question has found the task.
    case found(TaskWithPayload)
    /// Tasks of these endpoints cannot be asked for by id. The program's own request can.
    case notAskable
}

/// Asks providers about ids that no task here has.
extension GatewayService {
    /// Asks the provider about an id, and tracks its task if there is one.
    ///
    /// Programs that ask at the same time share one question, and a negative reply is good for a minute.
    package func ask(
        about id: RemoteTaskID, of endpoints: [EndpointProfile], adopting: Bool
    ) async throws(UpstreamTransportError) -> AskedProvider {
        guard let profile = endpoints.first(where: { $0.dialect.canAskByID }),
            let request = try? profile.dialect.lookup(id)
        else { return .notAskable }
        let key = UnknownIDs.Key(id: id, provider: profile.provider)
        while true {
            if let known = unknown.reply(about: key, at: time.now()) { return .reply(known) }
            switch await unknown.begin(key) {
            case .asks: break
            case .fails(let error): throw error
            case .looksAgain:
                if let task = try? await tasks([id], of: endpoints)[id] { return .found(task) }
                continue
            }
            let reply: UpstreamReply
            do throws(UpstreamTransportError) {
                reply = try await send(request, to: profile)
            } catch {
                // A program that has gone says nothing about the provider.
                unknown.end(key, with: error == .cancelled ? .looksAgain : .fails(error))
                throw error
            }
            defer { unknown.end(key, with: .looksAgain) }
            switch profile.dialect.readLookup(reply, of: id) {
            case .observed: if adopting { await adopt(id, of: profile) }
            case .notFound: unknown.note(reply, about: key, at: time.now())
            case .throttled, .failed: break
            }
            return .reply(reply)
        }
    }

    /// Asks the provider about several ids with one query, and tracks those that are there. Returns their records.
    package func ask(
        about ids: [RemoteTaskID], of endpoints: [EndpointProfile], adopting: Bool
    ) async throws(UpstreamTransportError) -> [RemoteTaskID: JSONValue] {
        guard let profile = endpoints.first(where: { $0.batching != nil }), let batching = profile.batching else {
            return [:]
        }
        func key(_ id: RemoteTaskID) -> UnknownIDs.Key { UnknownIDs.Key(id: id, provider: profile.provider) }
        let now = time.now()
        let asked = ids.filter { unknown.reply(about: key($0), at: now) == nil }
        guard let request = batching.lookup(asked) else { return [:] }
        let reply = try await send(request, to: profile)
        guard case .observed(let observations) = batching.read(reply, of: asked) else { return [:] }
        for id in asked where observations[id] == nil { unknown.note(reply, about: key(id), at: time.now()) }
        if adopting { for id in observations.keys.sorted(by: { $0.text < $1.text }) { await adopt(id, of: profile) } }
        return observations.mapValues(\.record)
    }

    private func send(
        _ request: UpstreamRequest, to profile: EndpointProfile
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        try await transport.send(
            request, by: account(of: nil, provider: profile.provider), isPaid: false, timeout: .seconds(30))
    }

    private func adopt(_ id: RemoteTaskID, of profile: EndpointProfile) async {
        do throws(TaskServiceError) {
            _ = try await service.adopt(
                endpoint: profile.name.text, remoteID: id.text, labels: [:], priority: 0, deadline: nil)
        } catch {
            // The program has the provider's reply. If it asks again, so does the gateway.
            logger.info("\(id) of \(profile.name) is not tracked: \(error.message)")
        }
    }
}
