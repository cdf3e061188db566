import BoundedMemory
import LocalAPIContract
import Synchronization
import TaskModel
import VerbatimJSON

/// Queues the outcome of each line of a bulk request until its reply is written, in order.
///
/// A task takes 17 bytes and a repeated problem two. Outcomes beyond ``maxBytesInMemory`` go to a temporary file,
/// because a client may send millions of lines before it reads the first reply.
final class LineOutcomes: Sendable {
    enum Outcome: Sendable, Hashable {
        case task(TaskID)
        case problem(ProblemDocument)
    }

    /// The memory of one queue: about 4,000 tasks. 512 connections may each have such a request.
    static let maxBytesInMemory = 64 << 10
    /// The size of the parts in which outcomes are taken, in bytes.
    private static let part = 4 << 10
    /// The maximum number of different problems in the table, so that a repeated one costs two bytes.
    private static let maxKnown = 64
    /// The maximum size of a problem in the table.
    private static let maxKnownBytes = 1 << 10

    private struct State: ~Copyable {
        var queue: SpillQueue
        var known: [[UInt8]: UInt8] = [:]
        /// The problems in the table by number.
        var inOrder: [ProblemDocument] = []
        /// The first bytes of an outcome that is not complete yet.
        var taken: [UInt8] = []
    }

    private enum Kind {
        static let task: UInt8 = 0
        static let problem: UInt8 = 1
        static let knownProblem: UInt8 = 2
    }

    private let state: Mutex<State>
    private let additions: AsyncStream<Void>
    private let addition: AsyncStream<Void>.Continuation

    /// Creates a queue. Its temporary file is on the file system of that directory.
    init(directory: String) {
        state = Mutex(State(queue: SpillQueue(limit: Self.maxBytesInMemory, directory: directory)))
        // Only a hint: a reader takes all queued outcomes.
        (additions, addition) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The bytes in memory.
    var bytesInMemory: Int { state.withLock { $0.queue.bytesInMemory } }

    /// Adds the outcome of the next line.
    func add(_ outcome: Outcome) {
        state.withLock { state in
            switch outcome {
            case .task(let id):
                state.queue.append([Kind.task] + id.bytes)
            case .problem(let document):
                let text = Array(document.json.utf8)
                if let number = state.known[text] {
                    state.queue.append([Kind.knownProblem, number])
                    return
                }
                state.queue.append([Kind.problem])
                state.queue.append(text.count.bytes)
                state.queue.append(text)
                guard state.inOrder.count < Self.maxKnown, text.count <= Self.maxKnownBytes else { return }
                state.known[text] = UInt8(state.inOrder.count)
                state.inOrder.append(document)
            }
        }
        addition.yield()
    }

    /// Ends the queue: no more outcomes follow.
    func finish() { addition.finish() }

    /// The next outcomes, as soon as there are some; nil after the last.
    ///
    /// For one caller at a time. Also returns nil when the caller's task is cancelled.
    func next() async throws -> [Outcome]? {
        var hints = additions.makeAsyncIterator()
        while true {
            let outcomes = try take()
            if !outcomes.isEmpty { return outcomes }
            // Outcomes that were added before the end are still queued.
            guard await hints.next() != nil else {
                let last = try take()
                return last.isEmpty ? nil : last
            }
        }
    }

    private func take() throws -> [Outcome] {
        try state.withLock { state in
            var outcomes: [Outcome] = []
            var most = Self.part
            while outcomes.isEmpty, state.queue.count > 0 {
                state.taken += try state.queue.take(atMost: most)
                // A problem may quote a line of several MiB. Doubling avoids parsing it once per part.
                most *= 2
                var rest = state.taken[...]
                while let outcome = try Self.outcome(from: &rest, knowing: state.inOrder) { outcomes.append(outcome) }
                state.taken = Array(rest)
            }
            return outcomes
        }
    }

    /// Removes the first outcome; nil if it is incomplete.
    private static func outcome(
        from bytes: inout ArraySlice<UInt8>, knowing known: [ProblemDocument]
    ) throws -> Outcome? {
        guard let kind = bytes.first else { return nil }
        let body = bytes.dropFirst()
        switch kind {
        case Kind.task:
            guard body.count >= TaskID.byteCount else { return nil }
            bytes = body.dropFirst(TaskID.byteCount)
            return .task(TaskID(bytes: body.prefix(TaskID.byteCount)))
        case Kind.knownProblem:
            guard let number = body.first else { return nil }
            bytes = body.dropFirst()
            return .problem(known[Int(number)])
        default:
            let head = Int.byteCount
            guard body.count >= head, case let length = Int(bytes: body.prefix(head)), body.count >= head + length
            else { return nil }
            bytes = body.dropFirst(head + length)
            return .problem(try ProblemDocument(json: JSONValue(parsing: body.dropFirst(head).prefix(length))))
        }
    }
}

extension Int {
    fileprivate static let byteCount = MemoryLayout<Int>.size
    fileprivate var bytes: [UInt8] { (0..<Self.byteCount).map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) } }

    fileprivate init(bytes: ArraySlice<UInt8>) {
        self = bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
