import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
import VerbatimJSON

/// Many submissions in one request: one JSON document per line in, one answer per line out, in order.
///
/// A line that is bad fails alone. Lines that came together are stored in one commit; their answers go out when they are
/// on disk, while further lines come in, so a connection that breaks loses nothing that was answered. Reading never waits for writing: most clients read nothing
/// before they have sent everything, and with both sides' buffers full each would wait for the other.
struct BulkSubmission {
    /// The most that is taken in one request; answers that nobody reads yet may take about as much again.
    static let maxBodyBytes = 64 << 20
    /// The most that share one commit, so that others who write meanwhile wait for some 20 ms.
    static let maxLinesPerCommit = 256

    let service: TaskService

    func answer(to request: Request) throws(Problem) -> Response {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > Self.maxBodyBytes {
            throw Problem.tooLarge(for: Self.maxBodyBytes)
        }
        let lines = request.body
        return Response(
            status: .ok, headers: [.contentType: MediaType.jsonLines],
            body: ResponseBody { writer in
                let (answers, sink) = AsyncStream<ByteBuffer>.makeStream()
                let reading = Task {
                    defer { sink.finish() }
                    try await submit(lines, answeringTo: sink)
                }
                defer { reading.cancel() }
                for await answer in answers { try await writer.write(answer) }
                // A body that broke off ends the answer in the same way: the client must not take it for whole.
                try await reading.value
                try await writer.finish(nil)
            })
    }

    private func submit(_ body: RequestBody, answeringTo sink: AsyncStream<ByteBuffer>.Continuation) async throws {
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
                    await submit(lines, answeringTo: sink)
                    lines.removeAll(keepingCapacity: true)
                }
            }
            await submit(lines, answeringTo: sink)
            guard rest.readableBytes <= LocalAPI.maxBodyBytes, total <= Self.maxBodyBytes else {
                sink.yield(text(of: .problem(Problem.tooLarge(for: Self.maxBodyBytes).document)))
                return
            }
            rest.discardReadBytes()
        }
        await submit([rest], answeringTo: sink)
    }

    private func submit(_ lines: [ByteBuffer], answeringTo sink: AsyncStream<ByteBuffer>.Continuation) async {
        // Blank lines are no submissions, so they get no answer.
        let submissions = lines.filter { $0.readableBytesView.contains { !" \t\r".utf8.contains($0) } }.map(read)
        var stored = await service.submit(submissions.compactMap { try? $0.get() })[...]
        for submission in submissions {
            switch submission.map({ _ in stored.removeFirst() }) {
            case .success(.success(let task)): sink.yield(text(of: .task(await service.document(of: task))))
            case .success(.failure(let error)): sink.yield(text(of: .problem(Problem(error).document)))
            case .failure(let problem): sink.yield(text(of: .problem(problem.document)))
            }
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

/// Why a line is no submission.
private struct LineProblem: Error {
    let document: ProblemDocument
}
