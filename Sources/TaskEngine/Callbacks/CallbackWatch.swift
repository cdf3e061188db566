import Logging
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// Whether callbacks come at all: counts deliveries, and says so where a wrong public URL keeps them from coming.
///
/// In memory only; what is learned of each endpoint is on disk.
package final class CallbackWatch: Sendable {
    /// What has been counted since the start.
    package struct Reading: Sendable, Hashable {
        /// Where providers are told to call.
        package let publicURL: String
        /// Deliveries with a token of ours.
        package let deliveries: Int
        /// Requests with any other.
        package let unknownTokens: Int
        /// Tasks that ended, one after another, without the delivery that was asked for.
        package let endedWithout: Int

        /// Whether it looks as if the public URL leads nowhere.
        package var isSilent: Bool { deliveries == 0 && endedWithout >= CallbackWatch.mostWithout }
    }

    private struct Counts {
        var deliveries = 0
        var unknownTokens = 0
        var endedWithout = 0
    }

    /// So many ends without a delivery are no accident any more.
    static let mostWithout = 10

    let publicURL: String
    private let counts = Mutex(Counts())

    init(publicURL: String) {
        self.publicURL = publicURL
    }

    /// Where an attempt with that token is to be called back.
    func url(for token: CallbackToken) -> String { "\(publicURL)/callbacks/\(token.text)" }

    /// What the path of such a URL begins with.
    var path: String {
        let place = publicURL.firstRange(of: "://").map { publicURL[$0.upperBound...] } ?? publicURL[...]
        return "\(place.drop { $0 != "/" })/callbacks/"
    }

    /// What has been counted by now.
    package var reading: Reading {
        counts.withLock { counts in
            Reading(
                publicURL: publicURL, deliveries: counts.deliveries, unknownTokens: counts.unknownTokens,
                endedWithout: counts.endedWithout)
        }
    }

    /// A delivery came.
    func delivered() {
        counts.withLock { counts in
            counts.deliveries += 1
            counts.endedWithout = 0
        }
    }

    /// Somebody called with a token that is not ours: the only trace of it.
    func refused() { counts.withLock { $0.unknownTokens += 1 } }

    /// A task ended at its provider, which had been given our URL; true once when that begins to look wrong.
    func ended(calledBack: Bool) -> Bool {
        counts.withLock { counts in
            guard !calledBack else { return false }
            counts.endedWithout += 1
            return counts.deliveries == 0 && counts.endedWithout == Self.mostWithout
        }
    }
}

extension EngineContext {
    /// A token for an attempt at this task; nil where callbacks are off, its endpoint takes none, or its program wants to
    /// be called itself.
    func callbackToken(for task: TrackedTask, of profile: EndpointProfile) -> CallbackToken? {
        guard callbacks != nil, profile.dialect.takesCallbacks, !task.hasOwnCallback else { return nil }
        return random.draw { generator in CallbackToken(using: &generator) }
    }

}

extension CallbackWatch {
    /// Looks whether the callbacks come that were asked for.
    func watch(_ change: CommittedChange, logger: Logger) {
        guard change.isEnd, change.task.attempt?.callback != nil, change.task.outcomeSource == .poll,
            ended(calledBack: change.task.callbacks.count > 0)
        else { return }
        logger.warning(
            """
            \(Self.mostWithout) tasks have ended, and nobody has called \(publicURL)/callbacks/… \
            Polling does the work meanwhile and nothing is lost. Is callbacks.public_url right, and can it be reached \
            from the internet?
            """)
    }
}
