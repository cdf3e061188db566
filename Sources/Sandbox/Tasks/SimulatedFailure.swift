/// How a failed generation is reported. The documents show each style for some service.
enum FailureStyle: String, Sendable, CaseIterable {
    /// `success: false`, `error {code, message}`, `finished_at` set.
    case plain
    /// Like `plain`, with `finished_at: null`, as hailuo reports a missing channel.
    case unstamped
    /// `error` has only a message, as in suno's records.
    case uncoded
    /// `error` is a plain string.
    case string
    /// No `error`: `success: true`, and `data[].state` reports the failure.
    case item
}

/// The reason of a failed generation.
struct SimulatedFailure: Sendable {
    var code: String
    var message: String

    /// Failures with texts from the provider's documented errors.
    static let known = [
        SimulatedFailure(code: "api_error", message: "no available worker in system"),
        SimulatedFailure(code: "timeout", message: "timeout while waiting for generation"),
        SimulatedFailure(code: "api_error", message: "service under maintenance"),
    ]

    /// An object that contains only the `error` member.
    func errorMember(style: FailureStyle) -> JSONValue {
        switch style {
        case .plain, .unstamped, .item: ["error": ["code": .string(code), "message": .string(message)]]
        case .uncoded: ["error": ["message": .string(message)]]
        case .string: ["error": .string(message)]
        }
    }
}
