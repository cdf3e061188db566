package import LocalAPIContract
import VerbatimJSON

/// Why there is no answer, sorted by what the caller can do.
package enum LocalAPIClientError: Error, Sendable, Hashable {
    /// Nobody listens, so nothing was asked: start a daemon, ask again.
    case noDaemon(socketPath: String, reason: String)
    /// The daemon said no, and why.
    case problem(ProblemDocument)
    /// The connection broke after the question was sent: what it asked for may or may not have been done.
    case interrupted(String)
    /// Something answered that this version does not understand; perhaps it is not Pollux.
    case unreadable(String)
    /// The caller's task was cancelled.
    case cancelled

    /// A sentence for people; what to do about it is the caller's to say.
    package var message: String {
        switch self {
        case .noDaemon(let socketPath, let reason): "No daemon answers on \(socketPath): \(reason)."
        case .problem(let problem): problem.detail.isEmpty ? problem.title : problem.detail
        case .interrupted(let reason): "The connection to the daemon broke before it answered: \(reason)."
        case .unreadable(let reason): "The answer on the socket cannot be understood: \(reason)"
        case .cancelled: "Interrupted."
        }
    }

    /// Whether the daemon is away or busy, perhaps for a moment, and did nothing.
    package var isDaemonAway: Bool {
        switch self {
        case .noDaemon, .interrupted: true
        case .problem(let problem): [ProblemCode.notReady, ProblemCode.busy].contains(problem.code)
        case .unreadable, .cancelled: false
        }
    }

    static func refusal(status: Int, json: JSONValue) -> LocalAPIClientError {
        do throws(ContractError) {
            return .problem(try ProblemDocument(json: json))
        } catch {
            return .unreadable("status \(status) with a body that is no problem document. \(error.message)")
        }
    }
}
