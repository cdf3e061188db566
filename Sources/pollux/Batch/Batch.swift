import ArgumentParser
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

/// Submits the lines of a file, a few at a time, and replies to each in order.
struct Batch: Sendable {
    /// A path, or `-` for standard input.
    let source: String
    /// What holds for lines that do not say otherwise: labels, priority, times.
    let defaults: SubmitDocument

    /// The daemon commits each task to disk on its own; a few at once let those commits share their waiting.
    private static let mostAtOnce = 8

    /// Prints one line per line read; exit code 65 if any was refused.
    func run(_ options: GlobalOptions) async throws {
        var lines = try LineReader(path: source)
        try await Session.open(options) { session in
            var replies = OrderedReplies<BatchReply>()
            var hasRefusals = false
            try await withThrowingTaskGroup(of: (Int, BatchReply).self) { group in
                var read = 0
                var underWay = 0
                while true {
                    if underWay < Self.mostAtOnce, let line = lines.next() {
                        guard !line.isBlank else { continue }
                        let turn = read
                        group.addTask { (turn, try await reply(to: line, session.client)) }
                        read += 1
                        underWay += 1
                    } else if let (turn, reply) = try await group.next() {
                        underWay -= 1
                        for reply in replies.take(reply, turn: turn) {
                            hasRefusals = hasRefusals || reply.isRefusal
                            try reply.print(asJSON: session.printsJSON)
                        }
                    } else {
                        break
                    }
                }
            }
            if hasRefusals { throw Ending.refused }
        }
    }

    private func reply(to line: LineReader.Line, _ client: LocalAPIClient) async throws -> BatchReply {
        do {
            let answer = try await client.submitOnce(try document(from: line))
            return .accepted(answer.json, id: answer.document.id)
        } catch LocalAPIClientError.problem(let problem) where problem.status < 500 {
            return .refused(line: line.number, problem)
        } catch let error as ContractError {
            return .refused(line: line.number, error.problem)
        } catch let error as JSONSyntaxError {
            let problem = ProblemDocument(
                status: 400, code: ProblemCode.invalidJSON, title: "The line is not JSON", detail: error.message)
            return .refused(line: line.number, problem)
        }
    }

    private func document(from line: LineReader.Line) throws -> SubmitDocument {
        var document = try SubmitDocument(json: JSONValue(parsing: line.bytes))
        document.idempotencyKey = document.idempotencyKey ?? SubmissionKey.fresh()
        document.labels.merge(defaults.labels) { own, _ in own }
        document.priority = document.priority ?? defaults.priority
        document.notBefore = document.notBefore ?? defaults.notBefore
        document.deadline = document.deadline ?? defaults.deadline
        document.onUncertain = document.onUncertain ?? defaults.onUncertain
        return document
    }
}

/// What became of one line.
enum BatchReply: Sendable {
    case accepted(JSONValue, id: String)
    case refused(line: Int, ProblemDocument)

    var isRefusal: Bool {
        if case .refused = self { true } else { false }
    }

    /// The id, or an empty line so that the lines still pair up; the API's documents as JSON.
    func print(asJSON: Bool) throws {
        switch self {
        case .accepted(let json, let id):
            try StandardOutput.write((asJSON ? json.text : id.printable) + "\n")
        case .refused(let line, let problem):
            try StandardOutput.write((asJSON ? problem.json.text : "") + "\n")
            StandardError.write("pollux: line \(line): \(problem.detail.printable)\n")
        }
    }
}
