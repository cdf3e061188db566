import Foundation
import HTTPTypes
import Hummingbird

/// A provider with a different wire format, as data and a few functions.
///
/// All of them share the ledger, clock, faults and prompt controls.
protocol OtherProvider: Sendable {
    /// The path prefix, and the service name in the ledger.
    var name: String { get }
    /// The token of a request; nil if it is missing or not in this provider's format.
    func token(in headers: HTTPFields) -> String?
    /// The prompt in a request. Its controls direct the task.
    func prompt(in body: JSONValue) -> String?
    /// Whether a POST to this path (without the prefix) is a paid submit.
    func isSubmission(_ path: String) -> Bool
    /// Whether a submit is answered at the end of its task, with the result.
    func isHeld(_ body: JSONValue, path: String) -> Bool
    /// The task id in the path of a query; nil if the path is not a query.
    func taskID(in path: String) -> String?
    /// A page of the account's tasks, newest first, if the path is that of the provider's list. Nil otherwise.
    func list(_ tasks: [SimulatedTask], path: String, query: Parameters, at url: String, now: Date) -> JSONValue?
    /// Whether a GET of this path returns a file.
    func isFile(_ path: String) -> Bool
    /// The reply to an accepted submit.
    func accepted(_ task: SimulatedTask, at url: String, path: String) -> JSONValue
    /// The reply to a query of that path. `fraction` is the task's progress.
    func answer(_ task: SimulatedTask, path: String, at url: String, now: Date) -> (HTTPResponse.Status, JSONValue)
    /// The callback URL of a submit, if it names one and the provider supports it.
    func callbackURL(in body: JSONValue, query: Parameters) -> String?
    /// The body of the final callback; nil for other calls, which use the default format.
    func callbackBody(_ task: SimulatedTask, _ call: CallbackCall, at url: String) -> [UInt8]?
    /// The reply to a request to end a task. The task goes on.
    func cancelled(_ id: String) -> JSONValue
    /// The body of an error.
    func refusal(code: String, message: String) -> JSONValue
}

extension OtherProvider {
    func isFile(_ path: String) -> Bool { false }
    func list(_ tasks: [SimulatedTask], path: String, query: Parameters, at url: String, now: Date) -> JSONValue? {
        nil
    }
    func isHeld(_ body: JSONValue, path: String) -> Bool { false }
    func cancelled(_ id: String) -> JSONValue { ["status": "canceled"] }
    func callbackURL(in body: JSONValue, query: Parameters) -> String? { nil }
    func callbackBody(_ task: SimulatedTask, _ call: CallbackCall, at url: String) -> [UInt8]? { nil }

    func token(in headers: HTTPFields) -> String? { Self.word(after: "Bearer", in: headers[.authorization]) }

    /// The tasks after the one with that id, of which a page shows the first, and whether others follow it.
    static func page(
        of tasks: [SimulatedTask], after id: String?, limit: Int
    ) -> (shown: [SimulatedTask], hasMore: Bool) {
        let start = id.flatMap { id in tasks.firstIndex { $0.identity.taskID == id } }.map { $0 + 1 } ?? 0
        let rest = tasks[start...]
        return (Array(rest.prefix(limit)), rest.count > limit)
    }

    static func word(after scheme: String, in header: String?) -> String? {
        let words = (header ?? "").split(separator: " ")
        guard words.count == 2, words[0] == scheme else { return nil }
        return String(words[1])
    }

    /// How generations of this provider run. The functions above format its replies, so it has no shape.
    var operation: SimulatedOperation {
        SimulatedOperation(
            service: name, name: "task", recordType: "task", requiredFields: [],
            duration: TypicalDuration(medianSeconds: 60), acceptReply: .taskID, otherList: "\(name) itself",
            shape: NoShape())
    }
}

/// The shape of tasks that only other providers show.
private struct NoShape: ResponseShape {
    func running(_ task: SimulatedTask, fraction: Double) -> JSONValue? { nil }
    func succeeded(_ task: SimulatedTask) -> JSONValue { [:] }
}

extension Date {
    /// Such as `2026-05-02T10:30:00.123Z`.
    var iso8601: String { formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
}
