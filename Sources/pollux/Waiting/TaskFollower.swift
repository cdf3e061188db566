import LocalAPIClient
import LocalAPIContract
import Synchronization
import VerbatimJSON

/// Reports on tasks until they have ended: events of the stream at once, everything else every few seconds.
///
/// The stream only says when to read a task. A task counts as ended once the daemon shows it as ended.
struct TaskFollower: Sendable {
    typealias TaskAnswer = Answer<TaskDocument>

    let client: LocalAPIClient
    /// The end of the wait; nil for no limit.
    let deadline: ContinuousClock.Instant?
    let report: @Sendable (Int, TaskAnswer) -> Void

    /// The maximum number of tasks per stream, so that the request stays short.
    private static let mostPerStream = 500
    /// The maximum number of long polls. More would use up the daemon's connections.
    private static let mostPolls = 64

    /// Returns when all have ended or the deadline has passed.
    func follow(_ started: [TaskAnswer]) async throws {
        let ids = started.enumerated().filter { !$0.element.document.hasEnded }
            .map { (index: $0.offset, id: $0.element.document.id) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for start in stride(from: 0, to: ids.count, by: Self.mostPerStream) {
                let part = Array(ids[start..<min(start + Self.mostPerStream, ids.count)])
                group.addTask { try await follow(OpenTasks(part)) }
            }
            try await group.waitForAll()
        }
    }

    private func follow(_ open: OpenTasks) async throws {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await stream(open) }
                group.addTask { try await refresh(open) }
                if let deadline { group.addTask { try await Task.sleep(until: deadline, clock: .continuous) } }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch LocalAPIClientError.problem(let problem) where Self.needsPolling(problem) {
            return try await poll(open)
        }
        // The deadline has passed, so this reads each task a last time.
        if !open.isEmpty { try await look(at: open) }
    }

    /// Whether the daemon offers no stream: it is older, or has too many.
    private static func needsPolling(_ problem: ProblemDocument) -> Bool {
        [ProblemCode.noSuchRoute, ProblemCode.tooManyStreams].contains(problem.code)
    }

    /// Reads tasks when the stream reports changes of them.
    private func stream(_ open: OpenTasks) async throws {
        let patience = client.patience
        try await client.followOverRestarts(
            EventQuery(tasks: open.ids), from: StreamPlace(), wasThere: true,
            mayWait: { reason, away in reason?.isDaemonAway ?? true && away < patience }
        ) { item in
            switch item {
            case .opened: break
            // Reads the changes from before the stream began, or from a gap.
            case .caughtUp, .reset: try await look(at: open)
            case .event(let document, let json):
                let task = document.task
                if task.hasEnded {
                    try await look(at: task.id, of: open)
                } else if let json = json["task"] {
                    for index in open.indices(of: task.id) {
                        report(index, TaskAnswer(status: 200, json: json, document: task))
                    }
                }
            }
            return !open.isEmpty
        }
    }

    /// Reads all tasks every few seconds, because progress and reasons to wait are not events.
    private func refresh(_ open: OpenTasks) async throws {
        while !open.isEmpty {
            try await Task.sleep(for: open.ids.count <= 16 ? .seconds(5) : .seconds(60))
            try await look(at: open)
        }
    }

    private func look(at open: OpenTasks) async throws {
        for id in open.ids { try await look(at: id, of: open) }
    }

    private func look(at id: String, of open: OpenTasks) async throws {
        let answer = try await client.retryingWhileAway(until: deadline) { () async throws(LocalAPIClientError) in
            try await client.task(id)
        }
        for index in answer.document.hasEnded ? open.remove(id) : open.indices(of: id) { report(index, answer) }
    }

    /// Uses long polls instead of a stream.
    private func poll(_ open: OpenTasks) async throws {
        // Short long polls show progress soon; with many tasks they would load the daemon.
        let step: Duration = open.ids.count <= 16 ? .seconds(1) : .seconds(5)
        try await withThrowingTaskGroup(of: Void.self) { group in
            var waiting = open.ids[...]
            func addNext() {
                guard let id = waiting.popFirst() else { return }
                group.addTask {
                    _ = try await client.waitForEnd(of: id, until: deadline, step: step) { answer in
                        for index in open.indices(of: id) { report(index, answer) }
                    }
                }
            }
            for _ in 0..<Self.mostPolls { addNext() }
            while try await group.next() != nil { addNext() }
        }
    }
}

/// The tasks that have not ended, with their positions on the command line.
private final class OpenTasks: Sendable {
    private let places: Mutex<[String: [Int]]>
    private let order: [String]

    init(_ tasks: [(index: Int, id: String)]) {
        places = Mutex(Dictionary(grouping: tasks) { $0.id }.mapValues { $0.map { $0.index } })
        var seen: Set<String> = []
        order = tasks.map(\.id).filter { seen.insert($0).inserted }
    }

    var isEmpty: Bool { places.withLock { $0.isEmpty } }
    var ids: [String] { places.withLock { places in order.filter { places[$0] != nil } } }

    func indices(of id: String) -> [Int] { places.withLock { $0[id] ?? [] } }

    /// Removes an ended task; returns its positions the first time.
    func remove(_ id: String) -> [Int] { places.withLock { $0.removeValue(forKey: id) ?? [] } }
}
