import Foundation
import LocalAPIContract

@testable import pollux

/// The reference time of the tests.
let noon = Date(timeIntervalSince1970: 1_795_435_200)

extension Date {
    func ago(_ seconds: TimeInterval) -> String { (self - seconds).rfc3339 }
    func ahead(_ seconds: TimeInterval) -> String { (self + seconds).rfc3339 }
}

extension Terminal {
    static func terminal(width: Int, hasColour: Bool = false) -> Terminal {
        Terminal(isTerminal: true, width: width, hasColour: hasColour, now: noon)
    }
}

extension TaskDocument {
    /// A valid task. A test changes only the field it checks.
    static func task(_ number: Int = 1, state: String = "running", endpoint: String = "suno/audios") -> TaskDocument {
        let hasEnded = TaskDocument.endedStates.contains(state)
        var task = TaskDocument(
            id: "019ab0c2-7d3e-7a41-9c55-00000000000\(number)", endpoint: endpoint, state: state,
            createdAt: noon.ago(130))
        task.submittedAt = state == "queued" ? nil : noon.ago(72)
        task.finishedAt = hasEnded ? noon.ago(10) : nil
        task.endedAt = hasEnded ? noon.ago(9) : nil
        return task
    }
}
