import ArgumentParser
import LocalAPIClient
import LocalAPIContract
import VerbatimJSON

/// Submits the lines of a file, many per request, and prints a line for each in order.
struct Batch: Sendable {
    /// A path, or `-` for standard input.
    let source: String
    /// The defaults for members that lines omit: labels, priority, times.
    let defaults: SubmitDocument

    /// The maximum number of lines of one request, which the daemon stores in one commit. The size limit may end a
    /// request earlier.
    private static let mostLines = 256
    private static let mostBytes = 1 << 20

    /// Prints one line per line read; the exit code is 65 if any was rejected.
    func run(_ options: GlobalOptions) async throws {
        var reader = try LineReader(path: source)
        try await Session.open(options) { session in
            var hasRefusals = false
            var wasThere = false
            while case let read = reader.nextLines(atMost: Self.mostLines, bytes: Self.mostBytes), !read.isEmpty {
                let lines = read.filter { !$0.isBlank }
                guard !lines.isEmpty else { continue }
                var part = BatchPart(lines, document: document(from:), asJSON: session.printsJSON)
                try part.printRefused()
                // Every line has a key, so a line without a reply may be sent again.
                try await session.client.submitAll(part.documents, wasThere: wasThere) { answer, json in
                    try part.print(answer, json)
                    try part.printRefused()
                }
                hasRefusals = hasRefusals || part.hasRefusals
                wasThere = true
                if let failure = part.failure { throw LocalAPIClientError.problem(failure) }
            }
            try reader.checkEnd()
            if hasRefusals { throw ExitStatus.refused }
        }
    }

    private func document(from line: LineReader.Line) throws -> SubmitDocument {
        var document = try SubmitDocument(json: JSONValue(parsing: line.bytes))
        document.idempotencyKey = document.idempotencyKey ?? SubmissionKey.fresh()
        return try document.filled(from: defaults)
    }
}

/// The lines of one request. It prints the outcome of each in order.
struct BatchPart {
    /// The documents that are sent, in order.
    let documents: [SubmitDocument]
    private(set) var hasRefusals = false
    /// The first failure of the daemon itself.
    private(set) var failure: ProblemDocument?
    private var waiting: ArraySlice<(number: Int, problem: ProblemDocument?)>
    private let asJSON: Bool

    init(_ lines: [LineReader.Line], document: (LineReader.Line) throws -> SubmitDocument, asJSON: Bool) {
        var documents: [SubmitDocument] = []
        var waiting: [(number: Int, problem: ProblemDocument?)] = []
        for line in lines {
            do {
                documents.append(try document(line))
                waiting.append((line.number, nil))
            } catch {
                waiting.append((line.number, Self.problem(error)))
            }
        }
        self.documents = documents
        self.waiting = waiting[...]
        self.asJSON = asJSON
    }

    private static func problem(_ error: any Error) -> ProblemDocument {
        switch error {
        case let error as ContractError: error.problem
        case let error as JSONSyntaxError:
            ProblemDocument(
                status: 400, code: ProblemCode.invalidJSON, title: "The line is not JSON", detail: error.message)
        default:
            ProblemDocument(
                status: 400, code: ProblemCode.invalidJSON, title: "The line cannot be read", detail: "\(error)")
        }
    }

    /// Prints the rejected lines before the next line that was sent.
    mutating func printRefused() throws {
        while let (number, problem) = waiting.first, let problem {
            waiting.removeFirst()
            try print(problem, line: number)
        }
    }

    /// Prints the reply to the next line.
    mutating func print(_ answer: BatchLine, _ json: JSONValue) throws {
        guard let (number, _) = waiting.popFirst() else { return }
        switch answer {
        case .task(let task):
            try StandardOutput.write((asJSON ? json.printableText : task.id.printable) + "\n")
        case .problem(let problem):
            if problem.status >= 500 { failure = failure ?? problem }
            try print(problem, line: number)
        }
    }

    /// Prints an empty line, so that output lines match input lines; with `--json`, the problem.
    private mutating func print(_ problem: ProblemDocument, line number: Int) throws {
        hasRefusals = true
        try StandardOutput.write((asJSON ? problem.json.printableText : "") + "\n")
        StandardError.write("pollux: line \(number): \(problem.detail.printable)\n")
    }
}
