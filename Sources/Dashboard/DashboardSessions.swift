import Crypto
import Synchronization
package import TaskEngine
package import TaskModel

/// DashboardSessions knows the browsers that are let in.
///
/// It keeps digests only, in memory: all sessions end with the daemon.
package final class DashboardSessions: Sendable {
    /// How long a code works.
    static let codeLifetime: Duration = .seconds(60)
    /// A session without a request for so long has ended.
    static let idleLimit: Duration = .seconds(12 * 3_600)
    /// The maximum number of codes and of sessions. A new one beyond it takes the place of the oldest.
    static let (mostCodes, mostSessions) = (32, 64)

    /// A session, as requests see it.
    struct Session: Sendable, Hashable {
        let id: UInt64
        /// Whether it can only look.
        let isReadOnly: Bool
    }

    private struct Code {
        let digest: SHA256Digest
        let isReadOnly: Bool
        /// By the monotonic clock, as all times here.
        let expiresAt: Duration
    }

    private struct Entry {
        let session: Session
        let digest: SHA256Digest
        var usedAt: Duration
    }

    private struct State {
        var codes: [Code] = []
        /// The least recently used first.
        var entries: [Entry] = []
        var nextID: UInt64 = 1

        mutating func forgetOld(at now: Duration) {
            codes.removeAll { $0.expiresAt <= now }
            entries.removeAll { $0.usedAt + idleLimit <= now }
        }
    }

    private let state = Mutex(State())
    private let random: EngineRandom
    private let time: any TimeSource

    package init(random: EngineRandom, time: any TimeSource) {
        self.random = random
        self.time = time
    }

    /// Makes a code that one browser can trade for a session, once.
    package func addCode(isReadOnly: Bool) -> (code: String, expiresAt: Timestamp) {
        let text = secret()
        let now = time.elapsed()
        state.withLock { state in
            state.forgetOld(at: now)
            if state.codes.count >= Self.mostCodes { state.codes.removeFirst() }
            state.codes.append(
                Code(digest: Self.digest(of: text), isReadOnly: isReadOnly, expiresAt: now + Self.codeLifetime))
        }
        return (text, time.now() + Self.codeLifetime)
    }

    /// Trades a code for a token; nil if the code is used, old or wrong.
    func begin(with code: String) -> (token: String, session: Session)? {
        let (digest, token, now) = (Self.digest(of: code), secret(), time.elapsed())
        return state.withLock { state in
            state.forgetOld(at: now)
            guard let place = state.codes.place({ $0.digest == digest }) else { return nil }
            let session = Session(id: state.nextID, isReadOnly: state.codes.remove(at: place).isReadOnly)
            state.nextID += 1
            if state.entries.count >= Self.mostSessions { state.entries.removeFirst() }
            state.entries.append(Entry(session: session, digest: Self.digest(of: token), usedAt: now))
            return (token, session)
        }
    }

    /// The session of a token; nil if there is none. It counts as used.
    func session(of token: String) -> Session? {
        let digest = Self.digest(of: token)
        return use { $0.digest == digest }
    }

    /// Whether the session goes on. It counts as used.
    func goesOn(_ session: Session) -> Bool { use { $0.session == session } != nil }

    /// Ends a session.
    func end(_ session: Session) { state.withLock { $0.entries.removeAll { $0.session == session } } }

    private func use(_ isMeant: (Entry) -> Bool) -> Session? {
        let now = time.elapsed()
        return state.withLock { state in
            state.forgetOld(at: now)
            guard let place = state.entries.place(isMeant) else { return nil }
            var entry = state.entries.remove(at: place)
            entry.usedAt = now
            state.entries.append(entry)
            return entry.session
        }
    }

    private func secret() -> String { random.draw { CallbackToken(using: &$0) }.text }

    private static func digest(of text: String) -> SHA256Digest { SHA256.hash(data: Array(text.utf8)) }
}

extension Array {
    /// The place of the element that is meant. It takes the same time for every place: all elements are compared.
    fileprivate func place(_ isMeant: (Element) -> Bool) -> Int? {
        indices.reduce(nil as Int?) { found, place in isMeant(self[place]) ? place : found }
    }
}
