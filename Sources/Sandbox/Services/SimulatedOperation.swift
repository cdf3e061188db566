import Foundation
import HTTPTypes

/// A paid operation of the simulated provider, such as `suno/audios`.
struct SimulatedOperation: Sendable {
    var service: String
    var name: String
    /// The record's `type`, which lists can filter by.
    var recordType: String
    /// Required fields: at least one non-empty field of each inner list.
    var requiredFields: [[String]]
    var duration: TypicalDuration
    var acceptReply: AcceptReply = .taskID
    var delivery: Delivery = .asAsked
    /// The member for a client-chosen id. A repeated id is rejected.
    var ownIDMember: String?
    var form: ServiceForm = .standard
    /// The list that shows its tasks, if that is not the one of its service. Two providers may have a service of one name.
    var otherList: String?
    var shape: any ResponseShape

    /// When a submit gets its reply.
    enum Delivery: Sendable {
        /// Immediately if the request asks for it, else at the end.
        case asAsked
        /// Always at the end, with the result.
        case inline
        /// Always immediately.
        case atOnce
    }

    var list: String { otherList ?? service }

    /// The endpoint's name in ledgers and settings.
    var endpoint: String { "\(service)/\(name)" }
}

/// The immediate reply to an asynchronous submit, as a template.
struct AcceptReply: Sendable {
    var status: HTTPResponse.Status = .ok
    var document: JSONValue

    /// As shown on the service pages.
    static let taskID = AcceptReply(document: ["task_id": "{task}"])
    /// As shown on the page about asynchronous tasks.
    static let successAndTaskID = AcceptReply(document: ["success": true, "task_id": "{task}"])
}

/// The unscaled duration of a generation: log-normal around a median.
struct TypicalDuration: Sendable {
    var medianSeconds: Double
    /// The standard deviation of the logarithm. At 0.25, two thirds are within a quarter of the median.
    var spread = 0.25
    /// Multiplies the duration of requests whose field contains the word.
    var paces: [Pace] = []

    struct Pace: Sendable {
        var field: String
        var word: String
        var factor: Double
    }

    func seconds(for request: JSONValue, using random: inout SeededRandom) -> Double {
        let pace = paces.first { request[$0.field]?.stringValue?.contains($0.word) == true }
        return medianSeconds * (pace?.factor ?? 1) * exp(spread * random.deviate())
    }
}

/// Formats an operation's responses, from the first partial record to the result.
protocol ResponseShape: Sendable {
    /// The `response` at this progress (0 to 1); nil if the service shows nothing yet.
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue?
    /// The `response` of a success.
    func succeeded(_ task: SimulatedTask) -> JSONValue
    /// The reply to a synchronous submit. Usually the same as `succeeded`.
    func inline(_ task: SimulatedTask) -> JSONValue
    /// The callback body of a success. Usually the same as `inline`.
    func callbackBody(_ task: SimulatedTask) -> JSONValue
    /// The `response` of a failure.
    func failed(_ task: SimulatedTask) -> JSONValue
    /// Additional members of a finished record, beside `response`.
    func recordExtras(_ task: SimulatedTask) -> JSONValue
    /// The failure formats that this service is known to use.
    var failureStyles: [FailureStyle] { get }
    /// Whether one of several outputs can fail separately.
    var canFailPartly: Bool { get }
}

extension ResponseShape {
    func inline(_ task: SimulatedTask) -> JSONValue { succeeded(task) }
    func callbackBody(_ task: SimulatedTask) -> JSONValue { inline(task) }
    func recordExtras(_ task: SimulatedTask) -> JSONValue { [:] }
    var failureStyles: [FailureStyle] { [.plain, .unstamped] }
    var canFailPartly: Bool { false }

    func failed(_ task: SimulatedTask) -> JSONValue {
        (["success": false, "task_id": .string(task.identity.taskID), "trace_id": .string(task.identity.traceID)]
            as JSONValue)
            .appending(task.failure.errorMember(style: task.failureStyle))
    }
}
