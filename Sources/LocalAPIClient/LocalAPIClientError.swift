package import LocalAPIContract
import VerbatimJSON

/// Why there is no reply. The cases are sorted by what the caller can do.
package enum LocalAPIClientError: Error, Sendable, Hashable {
    /// No daemon listens, so nothing was sent: start one and repeat the request.
    case noDaemon(socketPath: String, reason: String)
    /// The daemon rejected the request.
    case problem(ProblemDocument)
    /// The connection broke after the request was sent. The request may or may not have been carried out.
    case interrupted(String)
    /// The reply is not readable: perhaps it is not from Pollux.
    case unreadable(String)
    /// The caller's task was cancelled.
    case cancelled

    /// What happened, as a sentence. The caller adds the advice.
    package var message: String {
        switch self {
        case .noDaemon(let socketPath, let reason): "No daemon answers on \(socketPath): \(reason)."
        case .problem(let problem): problem.detail.isEmpty ? problem.title : problem.detail
        case .interrupted(let reason): "The connection to the daemon broke before it replied: \(reason)."
        case .unreadable(let reason): "The reply on the socket cannot be read: \(reason)"
        case .cancelled: "Interrupted."
        }
    }

    /// Whether the daemon is away or busy, perhaps briefly.
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
            return .unreadable("status \(status) with a body that is not a problem document. \(error.message)")
        }
    }
}
