import HTTPTypes
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore

/// Why the gateway answers a request with an error of its own, or with none.
enum GatewayFailure: Error {
    case bodyTooLarge(Int)
    case brokenBody
    /// All bodies together take the memory that is meant for them.
    case noRoom
    /// Requests of this kind are closed; a whole sentence.
    case notKnown(String)
    /// The task of the request cannot be told what it asks; a whole sentence.
    case refused(code: String, String)
    case service(TaskServiceError)
    /// The provider did not answer a request that costs nothing, or one that passed through.
    case upstream(UpstreamTransportError)
    /// The daemon stops, or the program has gone.
    case interrupted

    /// The reply in the provider's form; nil if the connection is closed without one.
    ///
    /// A 5xx is given only for what was not stored, since clients send such a request again by themselves.
    func reply(in profile: GatewayProfile) -> GatewayReply? {
        switch self {
        case .bodyTooLarge(let limit):
            return profile.error(
                413, code: "body_too_large",
                message: "The body has more than \(limit) bytes, which gateway.max_body_bytes allows. Nothing was sent."
            )
        case .brokenBody:
            return profile.error(
                400, code: "bad_request", message: "The body ended early or came too slowly. Nothing was sent.")
        case .noRoom:
            return profile.error(
                503, code: "busy",
                message: "The bodies under way take all the memory that is meant for them. Nothing was sent.")
        case .notKnown(let message): return profile.error(403, code: "request_refused", message: message)
        case .refused(let code, let message): return profile.error(400, code: code, message: message)
        case .upstream(let error):
            return profile.error(502, code: "upstream_unavailable", message: Self.words(error))
        case .interrupted: return nil
        case .service(let error): return Self.reply(error, in: profile)
        }
    }

    /// Whether a part of the body may be unread, so that the connection cannot be used again.
    var leavesBodyUnread: Bool {
        switch self {
        case .bodyTooLarge, .brokenBody, .noRoom: true
        case .notKnown, .refused, .service, .upstream, .interrupted: false
        }
    }

    private static func reply(_ error: TaskServiceError, in profile: GatewayProfile) -> GatewayReply? {
        // The task may be stored. Its retry finds it.
        if case .store(.unknown) = error { return nil }
        let status =
            switch error.category {
            case .invalid: 400
            case .notFound: 404
            // 409 makes clients send again, which pays again if they mean another task.
            case .conflict: 422
            case .overBudget: 402
            case .unavailable, .storageFailing, .broken: 503
            }
        return profile.error(status, code: error.code, message: error.message)
    }

    /// Without the words of a library, which may hold an address with a token.
    private static func words(_ error: UpstreamTransportError) -> String {
        switch error {
        case .notSent: "The provider cannot be reached, so nothing was sent."
        case .interrupted: "The connection to the provider ended before its reply."
        case .tooLarge(let maxBytes): "The provider's reply has more than \(maxBytes) bytes."
        case .outdated: "The provider's address has just changed."
        case .leaseExpired: "Another Pollux may send the account's requests now."
        case .cancelled: "The daemon stops."
        }
    }
}
