import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import Synchronization
import TaskEngine
import TaskModel
import VerbatimJSON

/// Many submissions in one request: one JSON document per line in, one answer per line out, in order.
///
/// A line that is bad fails alone. Lines that came together are stored in one commit; their answers go out when they are
/// on disk, while further lines come in, so a connection that breaks loses nothing that was answered. Reading does not
/// wait for writing: most clients read nothing before they have sent everything, and with both sides' buffers full each
/// would wait for the other. It does once ``maxUnreadBytes`` wait to be read, and then not for ever.
struct BulkSubmission {
    /// The most that is taken in one request.
    static let maxBodyBytes = 64 << 20
    /// The most of answers that nobody has read: about as much as new tasks can bring. Those that were there already come
    /// with their results.
    var maxUnreadBytes = 96 << 20
    /// How long a client may read nothing with so much before it; its connection is then closed. Everything that was
    /// taken is on disk, and with idempotency keys it may send all of it again.
    var patience = Duration.seconds(30)
    /// The most that share one commit, so that others who write meanwhile wait for some 20 ms.
    static let maxLinesPerCommit = 256

    let service: TaskService

    func answer(to request: Request, on context: APIContext) throws(Problem) -> Response {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > Self.maxBodyBytes {
            throw Problem.tooLarge(for: Self.maxBodyBytes)
        }
        let lines = request.body
        return Response(
            status: .ok, headers: [.contentType: MediaType.jsonLines],
            body: ResponseBody { writer in
                let (answers, sink) = Answers.make(atMost: maxUnreadBytes, patience: patience)
                let reading = Task {
                    defer { sink.finish() }
                    do {
                        try await submit(lines, answeringTo: sink)
                    } catch let error as NobodyReads {
                        // The writer waits for the client; only the end of the connection ends that.
                        context.disconnect()
                        throw error
                    }
                }
                defer { reading.cancel() }
                for await answer in answers {
                    try await writer.write(answer)
                    sink.wasRead(answer.readableBytes)
                }
                // A body that broke off ends the answer in the same way: the client must not take it for whole.
                try await reading.value
                try await writer.finish(nil)
            })
    }

    private func submit(_ body: RequestBody, answeringTo sink: Answers) async throws {
        var rest = ByteBuffer()
        var total = 0
        for try await chunk in body {
            total += chunk.readableBytes
            rest.writeImmutableBuffer(chunk)
            var lines: [ByteBuffer] = []
            while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                if let line = rest.readSlice(length: end - rest.readerIndex) { lines.append(line) }
                rest.moveReaderIndex(forwardBy: 1)
                if lines.count == Self.maxLinesPerCommit {
                    try await submit(lines, answeringTo: sink)
                    lines.removeAll(keepingCapacity: true)
                }
            }
            try await submit(lines, answeringTo: sink)
            guard rest.readableBytes <= LocalAPI.maxBodyBytes, total <= Self.maxBodyBytes else {
                try await sink.put(text(of: .problem(Problem.tooLarge(for: Self.maxBodyBytes).document)))
                return
            }
            rest.discardReadBytes()
        }
        try await submit([rest], answeringTo: sink)
    }

    private func submit(_ lines: [ByteBuffer], answeringTo sink: Answers) async throws {
        // Blank lines are no submissions, so they get no answer.
        let submissions = lines.filter { $0.readableBytesView.contains { !" \t\r".utf8.contains($0) } }.map(read)
        var unanswered = submissions[...]
        /// Says what is wrong with the lines up to the next that was stored.
        func tellBadLines() async throws {
            while case .failure(let problem) = unanswered.first {
                unanswered.removeFirst()
                try await sink.put(text(of: .problem(problem.document)))
            }
        }
        try await tellBadLines()
        try await service.submit(submissions.compactMap { try? $0.get() }) { stored in
            unanswered.removeFirst()
            switch stored {
            case .success(let task): try await sink.put(text(of: .task(await service.document(of: task))))
            case .failure(let error): try await sink.put(text(of: .problem(Problem(error).document)))
            }
            try await tellBadLines()
        }
    }

    private func read(_ line: ByteBuffer) -> Result<Submission, LineProblem> {
        do {
            let document = try SubmitDocument(json: try JSONValue(line: line.readableBytesView))
            return .success(try Submission(document, headerKey: nil))
        } catch let error as Problem {
            return .failure(LineProblem(document: error.document))
        } catch let error as ContractError {
            return .failure(LineProblem(document: error.problem))
        } catch {
            return .failure(
                LineProblem(
                    document: Problem(
                        .internalServerError, ProblemCode.internalError, title: "A bug of the daemon", "\(error)"
                    ).document))
        }
    }

    private func text(of line: BatchLine) -> ByteBuffer {
        ByteBuffer(bytes: line.json.utf8 + [UInt8(ascii: "\n")])
    }
}

/// Answers on their way to the client, and how much of them waits for it.
final class Answers: Sendable {
    private let unread = Mutex(0)
    private let most: Int
    private let patience: Duration
    private let sink: AsyncStream<ByteBuffer>.Continuation

    private init(_ sink: AsyncStream<ByteBuffer>.Continuation, atMost most: Int, patience: Duration) {
        self.sink = sink
        self.most = most
        self.patience = patience
    }

    static func make(atMost most: Int, patience: Duration) -> (AsyncStream<ByteBuffer>, Answers) {
        let (stream, sink) = AsyncStream<ByteBuffer>.makeStream()
        return (stream, Answers(sink, atMost: most, patience: patience))
    }

    /// Queues an answer; waits where too much is queued, and throws where nobody reads.
    func put(_ answer: ByteBuffer) async throws {
        var before = 0
        var waited = Duration.zero
        while case let waiting = unread.withLock({ $0 }), waiting > most {
            waited = waiting < before ? .zero : waited
            guard waited < patience else { throw NobodyReads() }
            before = waiting
            try await Task.sleep(for: Self.look)
            waited += Self.look
        }
        unread.withLock { $0 += answer.readableBytes }
        sink.yield(answer)
    }

    func wasRead(_ bytes: Int) { unread.withLock { $0 -= bytes } }

    func finish() { sink.finish() }

    private static let look = Duration.milliseconds(20)
}

/// The client sends on and on and reads none of the answers.
struct NobodyReads: Error {}

/// Why a line is no submission.
private struct LineProblem: Error {
    let document: ProblemDocument
}
