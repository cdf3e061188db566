import Foundation
import HTTPTypes
import Hummingbird

/// A provider with a wire shape of its own, as data and a few functions.
///
/// The same ledger, clock, faults and prompt controls stand behind all of them.
protocol OtherProvider: Sendable {
    /// The path prefix, and the service in the ledger.
    var name: String { get }
    /// The token that a request shows; nil where it shows none in the way this provider wants it.
    func token(in headers: HTTPFields) -> String?
    /// The prompt inside a request, whose controls steer the task.
    func prompt(in body: JSONValue) -> String?
    /// Whether a POST to this path, below the prefix, is a paid submit.
    func isSubmission(_ path: String) -> Bool
    /// The id that the path of a query names; nil where it is no query of this provider.
    func taskID(in path: String) -> String?
    /// What an accepted submit is told.
    func accepted(_ task: SimulatedTask, at url: String, path: String) -> JSONValue
    /// What a query of that path is told; `fraction` is how far the task is.
    func answer(_ task: SimulatedTask, path: String, at url: String, now: Date) -> (HTTPResponse.Status, JSONValue)
    /// Where a submit wants its end to be told; nil where it names nothing, or nothing can be named.
    func callbackURL(in body: JSONValue, query: Parameters) -> String?
    /// What is told of the end; nil for all other calls, which have no words of their own.
    func callbackBody(_ task: SimulatedTask, _ call: CallbackCall, at url: String) -> [UInt8]?
    /// How a refusal is worded.
    func refusal(code: String, message: String) -> JSONValue
}

extension OtherProvider {
    func callbackURL(in body: JSONValue, query: Parameters) -> String? { nil }
    func callbackBody(_ task: SimulatedTask, _ call: CallbackCall, at url: String) -> [UInt8]? { nil }

    func token(in headers: HTTPFields) -> String? { Self.word(after: "Bearer", in: headers[.authorization]) }

    static func word(after scheme: String, in header: String?) -> String? {
        let words = (header ?? "").split(separator: " ")
        guard words.count == 2, words[0] == scheme else { return nil }
        return String(words[1])
    }

    /// How a generation of this provider runs; its answers are worded above, not by a shape.
    var operation: SimulatedOperation {
        SimulatedOperation(
            service: name, name: "task", recordType: "task", requiredFields: [],
            duration: TypicalDuration(medianSeconds: 60), acceptReply: .taskID, shape: NoShape())
    }
}

/// For tasks that only other providers show.
private struct NoShape: ResponseShape {
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? { nil }
    func succeeded(_ task: SimulatedTask) -> JSONValue { [:] }
}

extension Date {
    /// As in `2026-05-02T10:30:00.123Z`.
    var iso8601: String { formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
}
