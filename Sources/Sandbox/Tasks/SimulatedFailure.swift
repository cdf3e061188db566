/// How a failed generation is worded; the documents show each of these for some service.
enum FailureStyle: String, Sendable, CaseIterable {
    /// `success: false`, `error {code, message}`, `finished_at` set.
    case plain
    /// The same with `finished_at: null`, as hailuo reports a missing channel.
    case unstamped
    /// `error` has a message only, as in suno's records.
    case uncoded
    /// `error` is a bare string.
    case string
    /// No `error` at all: `success: true`, and the failure is in `data[].state`.
    case item
}

/// Why a simulated generation failed.
struct SimulatedFailure: Sendable {
    var code: String
    var message: String

    /// Texts from the provider's documented errors.
    static let known = [
        SimulatedFailure(code: "api_error", message: "no available worker in system"),
        SimulatedFailure(code: "timeout", message: "timeout while waiting for generation"),
        SimulatedFailure(code: "api_error", message: "service under maintenance"),
    ]

    /// An object that holds just the `error` member.
    func errorMember(style: FailureStyle) -> JSONValue {
        switch style {
        case .plain, .unstamped, .item: ["error": ["code": .string(code), "message": .string(message)]]
        case .uncoded: ["error": ["message": .string(message)]]
        case .string: ["error": .string(message)]
        }
    }
}
