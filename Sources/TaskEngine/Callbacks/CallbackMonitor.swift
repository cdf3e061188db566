import Logging
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// Counts callback deliveries and warns when a wrong public URL seems to prevent them.
///
/// It keeps its counts in memory. Statistics of each endpoint are on disk.
package final class CallbackMonitor: Sendable {
    /// The counts since the start.
    package struct Report: Sendable, Hashable {
        /// The public base URL that providers call.
        package let publicURL: String
        /// Deliveries with a known token.
        package let deliveries: Int
        /// Requests with an unknown token.
        package let unknownTokens: Int
        /// Tasks that ended without an expected callback since the last delivery.
        package let endedWithout: Int

        /// Whether the public URL seems to be unreachable.
        package var isSilent: Bool { deliveries == 0 && endedWithout >= CallbackMonitor.silenceThreshold }
    }

    private struct Counts {
        var deliveries = 0
        var unknownTokens = 0
        var endedWithout = 0
    }

    /// This many ends without a delivery are not a coincidence.
    static let silenceThreshold = 10

    let publicURL: String
    private let counts = Mutex(Counts())
    private let random: EngineRandom
    private let logger: Logger

    init(publicURL: String, random: EngineRandom, logger: Logger) {
        self.publicURL = publicURL
        self.random = random
        self.logger = logger
    }

    /// Creates the callback address of an attempt. Returns nil if the endpoint does not support callbacks, or if the
    /// request names a callback URL.
    func address(for task: TrackedTask, of profile: EndpointProfile) -> CallbackAddress? {
        guard profile.dialect.takesCallbacks, !task.hasOwnCallback else { return nil }
        let token = random.draw { generator in CallbackToken(using: &generator) }
        return CallbackAddress(url: "\(publicURL)/callbacks/\(token.text)", digest: token.digest)
    }

    /// The path prefix of the callback URLs.
    var path: String {
        let place = publicURL.firstRange(of: "://").map { publicURL[$0.upperBound...] } ?? publicURL[...]
        return "\(place.drop { $0 != "/" })/callbacks/"
    }

    /// The current counts.
    package var report: Report {
        counts.withLock { counts in
            Report(
                publicURL: publicURL, deliveries: counts.deliveries, unknownTokens: counts.unknownTokens,
                endedWithout: counts.endedWithout)
        }
    }

    /// Counts a delivery.
    func delivered() {
        counts.withLock { counts in
            counts.deliveries += 1
            counts.endedWithout = 0
        }
    }

    /// Counts a request with an unknown token. Nothing else records it.
    func refused() { counts.withLock { $0.unknownTokens += 1 } }

    /// Counts a task that ended at a provider with a callback URL. Returns true once, when deliveries seem to fail.
    func ended(calledBack: Bool) -> Bool {
        counts.withLock { counts in
            guard !calledBack else { return false }
            counts.endedWithout += 1
            return counts.deliveries == 0 && counts.endedWithout == Self.silenceThreshold
        }
    }
}

extension CallbackMonitor {
    /// Counts the end of a task, and warns once if its callbacks seem to be undeliverable.
    func watch(_ change: CommittedChange) {
        guard change.isEnd, change.task.attempt?.callback != nil, change.task.outcomeSource == .poll,
            ended(calledBack: change.task.callbacks.count > 0)
        else { return }
        logger.warning(
            """
            \(Self.silenceThreshold) tasks have ended, and no provider has called \(publicURL)/callbacks/… \
            Polling continues, and nothing is lost. Is callbacks.public_url right, and can it be reached \
            from the internet?
            """)
    }
}

/// The callback URL of one attempt, and the digest by which its deliveries are recognised.
struct CallbackAddress: Sendable {
    let url: String
    let digest: CallbackDigest
}
