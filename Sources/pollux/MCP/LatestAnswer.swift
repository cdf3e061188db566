import LocalAPIClient
import LocalAPIContract
import Synchronization

/// The latest reply about a task during a wait.
final class LatestAnswer: Sendable {
    private let latest: Mutex<Answer<TaskDocument>>

    init(_ first: Answer<TaskDocument>) { latest = Mutex(first) }

    var answer: Answer<TaskDocument> { latest.withLock { $0 } }

    func take(_ answer: Answer<TaskDocument>) { latest.withLock { $0 = answer } }
}
