import Foundation
import HTTPTypes

/// One paid operation of the simulated provider, such as `suno/audios`, as data.
struct SimulatedOperation: Sendable {
    var service: String
    var name: String
    /// The record's `type`, by which lists can be filtered.
    var recordType: String
    /// What a request must carry: of each inner list at least one field, not empty.
    var requiredFields: [[String]]
    var duration: TypicalDuration
    var acceptReply: AcceptReply = .taskID
    var delivery: Delivery = .asAsked
    /// The member in which it takes an id of the client's, which it refuses a second time.
    var ownIDMember: String?
    var form: ServiceForm = .standard
    var shape: any ResponseShape

    /// When a submit is answered.
    enum Delivery: Sendable {
        /// At once where it asks for that, else in the end.
        case asAsked
        /// Always in the end, with the result.
        case inline
        /// Always at once.
        case atOnce
    }

    /// The name that people and ledgers use.
    var endpoint: String { "\(service)/\(name)" }
}

/// What an accepted asynchronous submit is told at once, as a document with places to fill in.
struct AcceptReply: Sendable {
    var status: HTTPResponse.Status = .ok
    var document: JSONValue

    /// As the service pages show.
    static let taskID = AcceptReply(document: ["task_id": "{task}"])
    /// As the page on asynchronous tasks shows.
    static let successAndTaskID = AcceptReply(document: ["success": true, "task_id": "{task}"])
}

/// How long a generation takes before any speeding up: log-normal around a median.
struct TypicalDuration: Sendable {
    var medianSeconds: Double
    /// The standard deviation of the logarithm; 0.25 keeps two thirds within a quarter of the median.
    var spread = 0.25
    /// Requests whose field contains the word take this many times longer or shorter.
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

/// How one kind of operation words its answers, from the first partial record to the result.
protocol ResponseShape: Sendable {
    /// What `response` holds at this fraction (0 to 1) of the generation; nil where the service shows nothing yet.
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue?
    /// What `response` holds in the end.
    func succeeded(_ task: SimulatedTask) -> JSONValue
    /// What a submit that waited is told; the same for most.
    func inline(_ task: SimulatedTask) -> JSONValue
    /// What a callback tells of a success; for most what the submit would have been told.
    func told(_ task: SimulatedTask) -> JSONValue
    /// What `response` holds when the generation failed.
    func failed(_ task: SimulatedTask) -> JSONValue
    /// Further members of a finished record, beside `response`.
    func recordExtras(_ task: SimulatedTask) -> JSONValue
    /// The ways in which this service is known to word a failure.
    var failureStyles: [FailureStyle] { get }
    /// Whether one of several outputs can fail alone.
    var canFailPartly: Bool { get }
}

extension ResponseShape {
    func inline(_ task: SimulatedTask) -> JSONValue { succeeded(task) }
    func told(_ task: SimulatedTask) -> JSONValue { inline(task) }
    func recordExtras(_ task: SimulatedTask) -> JSONValue { [:] }
    var failureStyles: [FailureStyle] { [.plain, .unstamped] }
    var canFailPartly: Bool { false }

    func failed(_ task: SimulatedTask) -> JSONValue {
        (["success": false, "task_id": .string(task.identity.taskID), "trace_id": .string(task.identity.traceID)]
            as JSONValue)
            .appending(task.failure.errorMember(style: task.failureStyle))
    }
}
