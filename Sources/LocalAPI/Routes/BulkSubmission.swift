import BoundedMemory
import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
import VerbatimJSON

/// Handles many submissions in one request: one JSON document per line in, one reply per line out, in order.
///
/// An invalid line fails alone. Lines that arrive together are stored in one commit. Reading never waits for writing,
/// because many clients read nothing before they have sent everything. So only the task's id or the problem is stored
/// (``LineOutcomes``), and the task is read again for its reply. A broken connection loses no line with a reply.
struct BulkSubmission {
    /// The largest body of one request.
    static let maxBodyBytes = 64 << 20
    /// The maximum number of lines per commit. Other writers wait about 20 ms for it.
    static let maxLinesPerCommit = 256
    /// The memory that is reserved before a request is read. A longer line reserves more or is rejected.
    static let lineRoom = 1 << 20
    /// The length of the longest line number with its slash.
    static let maxSuffix = "/\(maxBodyBytes)".utf8.count

    let service: TaskService
    let bodies: ByteBudget
    /// The directory for outcomes that exceed the memory.
    let directory: String

    /// If the header has `key`, line n gets the key `key/n` unless it has one.
    func answer(to request: Request, key: String?) throws -> Response {
        if let length = request.contentLength, length > Self.maxBodyBytes {
            throw Problem.tooLarge(for: Self.maxBodyBytes)
        }
        if let key { try EnvelopeRules.check(idempotencyKeyOfLines: key, longest: Self.maxSuffix) }
        guard let room = bodies.reserve(Self.lineRoom, leaving: BodyBudgetMiddleware.leftToShort) else {
            throw Problem.noRoom
        }
        let lines = request.body
        return Response(
            status: .ok, headers: [.contentType: MediaType.jsonLines],
            body: ResponseBody { writer in
                let outcomes = LineOutcomes(directory: directory)
                async let submitted: Void = offEventLoop {
                    try await take(lines, key: key, within: room, to: outcomes)
                }
                var batch: ArraySlice<LineOutcomes.Outcome> = []
                while let answers = try await answers(to: outcomes, batch: &batch) { try await writer.write(answers) }
                // If the body ends early, so does the reply: the client must not take it as complete.
                try await submitted
                try await writer.finish(nil)
            })
    }

    // MARK: Input lines

    private func take(
        _ body: RequestBody, key: String?, within room: ByteBudget.Reservation, to outcomes: LineOutcomes
    ) async throws {
        defer {
            outcomes.finish()
            room.release()
        }
        var rest = ByteBuffer()
        var total = 0
        var reserved = Self.lineRoom
        var count = 0
        for try await chunk in body {
            total += chunk.readableBytes
            rest.writeImmutableBuffer(chunk)
            var lines: [Line] = []
            while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                count += 1
                if let line = rest.readSlice(length: end - rest.readerIndex) { lines.append((count, line)) }
                rest.moveReaderIndex(forwardBy: 1)
                if lines.count == Self.maxLinesPerCommit {
                    try await submit(lines, key: key, to: outcomes)
                    lines.removeAll(keepingCapacity: true)
                }
            }
            try await submit(lines, key: key, to: outcomes)
            guard rest.readableBytes <= LocalAPI.maxBodyBytes, total <= Self.maxBodyBytes else {
                return outcomes.add(.problem(Problem.tooLarge(for: Self.maxBodyBytes).document))
            }
            let more = rest.readableBytes - reserved
            guard more <= 0 || room.grow(by: more, leaving: BodyBudgetMiddleware.leftToShort) else {
                return outcomes.add(.problem(Problem.noRoomForLine(count + 1).document))
            }
            reserved = max(reserved, rest.readableBytes)
            rest.discardReadBytes()
        }
        try await submit([(count + 1, rest)], key: key, to: outcomes)
    }

    private typealias Line = (number: Int, bytes: ByteBuffer)

    private func submit(_ lines: [Line], key: String?, to outcomes: LineOutcomes) async throws {
        // Blank lines get no reply.
        let submissions = lines.filter { $0.bytes.readableBytesView.contains { !" \t\r".utf8.contains($0) } }
            .map { read($0, key: key) }
        var unanswered = submissions[...]
        /// Adds the problems of the lines before the next stored one.
        func addBadLines() {
            while case .failure(let problem) = unanswered.first {
                unanswered.removeFirst()
                outcomes.add(.problem(problem.document))
            }
        }
        addBadLines()
        try await service.submit(submissions.compactMap { try? $0.get() }) { stored in
            unanswered.removeFirst()
            switch stored {
            case .success(let id): outcomes.add(.task(id))
            case .failure(let error): outcomes.add(.problem(Problem(error).document))
            }
            addBadLines()
        }
    }

    private func read(_ line: Line, key: String?) -> Result<Submission, Problem> {
        do {
            let document = try SubmitDocument(json: try JSONValue(line: line.bytes.readableBytesView))
            let lineKey = document.idempotencyKey == nil ? key.map { "\($0)/\(line.number)" } : nil
            return .success(try Submission(document, headerKey: lineKey))
        } catch let error as Problem {
            return .failure(error)
        } catch let error as ContractError {
            return .failure(Problem(error.problem))
        } catch {
            return .failure(
                Problem(.internalServerError, ProblemCode.internalError, title: "Internal error", "\(error)"))
        }
    }

    // MARK: Replies

    /// The approximate size of one written part, in bytes. Replies are written at once when no more are queued.
    private static let part = 32 << 10

    /// The next replies, as soon as there are some; nil after the last. `batch` has outcomes that were taken but not
    /// written.
    private func answers(
        to outcomes: LineOutcomes, batch: inout ArraySlice<LineOutcomes.Outcome>
    ) async throws -> ByteBuffer? {
        if batch.isEmpty {
            guard let next = try await outcomes.next() else { return nil }
            batch = next[...]
        }
        let (part, shown) = await offEventLoop { [batch] in await answers(to: batch) }
        batch.removeFirst(shown)
        return part
    }

    /// One part of replies to the first outcomes, and their number.
    private func answers(to outcomes: ArraySlice<LineOutcomes.Outcome>) async -> (ByteBuffer, shown: Int) {
        var answers = ByteBuffer()
        var shown = 0
        for outcome in outcomes where answers.readableBytes < Self.part {
            answers.writeBytes(await line(for: outcome).utf8)
            answers.writeInteger(UInt8(ascii: "\n"))
            shown += 1
        }
        return (answers, shown)
    }

    private func line(for outcome: LineOutcomes.Outcome) async -> JSONValue {
        switch outcome {
        case .problem(let document): return document.json
        case .task(let id):
            do throws(TaskServiceError) {
                let stored = try await service.task(id)
                return await service.document(of: stored).json
            } catch {
                return Problem.stored(id, butNotShown: error).document.json
            }
        }
    }
}

extension EnvelopeRules {
    /// Checks a key to which line numbers are appended, so that each result is a valid key.
    fileprivate static func check(idempotencyKeyOfLines key: String, longest suffix: Int) throws(Problem) {
        do throws(ContractError) {
            try check(idempotencyKey: key)
            try check(idempotencyKey: key + String(repeating: "0", count: suffix))
        } catch {
            let most = idempotencyKeyLength.upperBound - suffix
            throw Problem(
                .unprocessableContent, ProblemCode.invalidField, title: "Invalid document",
                """
                The Idempotency-Key header of many submissions must be 1 to \(most) visible ASCII characters: line n gets \
                the key KEY/n. Nothing was stored.
                """, members: [("fields", ["idempotency_key"])])
        }
    }
}

extension Problem {
    /// There is no memory for a long line. The lines before it were stored.
    fileprivate static func noRoomForLine(_ number: Int) -> Problem {
        Problem(
            .serviceUnavailable, ProblemCode.busy, title: "The daemon is busy",
            """
            There is no memory left for line \(number), which has more than \(BulkSubmission.lineRoom >> 20) MiB. \
            This line and all after it were not stored. Send them again in a second.
            """)
    }

    /// The task is stored but cannot be shown. Its line must not be sent again without a key.
    fileprivate static func stored(_ id: TaskID, butNotShown error: TaskServiceError) -> Problem {
        let problem = Problem(error)
        return Problem(
            HTTPResponse.Status(code: problem.document.status), problem.document.code, title: problem.document.title,
            "Task \(id) was stored and continues, but it cannot be shown now: \(error.message) Do not submit it again.",
            members: [("existing_id", .string(id.text))])
    }
}
