import LocalAPIClient
import LocalAPIContract

/// Waits for tasks and shows meanwhile how they stand: live on a terminal, a line per change in a pipe.
struct TaskWaiter {
    typealias TaskAnswer = Answer<TaskDocument>

    let client: LocalAPIClient
    /// Nil to wait for as long as it takes.
    let timeout: Duration?

    /// More long polls at once would only fill the daemon's table of connections.
    private static let mostAtOnce = 64

    private enum Update {
        case answer(Int, TaskAnswer)
        case tick
        case interrupt
    }

    /// Comes back with the last answer to each, in the order given, when all have ended or the time is over.
    func wait(for started: [TaskAnswer]) async throws -> [TaskAnswer] {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        let terminal = Terminal.ofStandardError(environment: ProcessEnvironment.variables)
        let isLive = terminal.isTerminal && ProcessEnvironment.variables["TERM"] != "dumb"
        let (updates, sink) = AsyncStream.makeStream(of: Update.self)
        let interrupts = InterruptTrap { sink.yield(.interrupt) }
        defer { interrupts.release() }

        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { sink.finish() }
                try await follow(started, until: deadline) { sink.yield(.answer($0, $1)) }
            }
            if isLive {
                group.addTask {
                    while true {
                        sink.yield(.tick)
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
            }
            var board = WaitReporter(answers: started, isLive: isLive)
            for await update in updates {
                switch update {
                case .answer(let index, let answer): board.take(answer, at: index)
                case .tick: board.draw()
                case .interrupt:
                    board.finish()
                    leaveInterrupted(board.answers)
                }
            }
            board.finish()
            // An error ended the stream if nothing else did; the ticker never ends by itself.
            do {
                try await group.next()
                group.cancelAll()
            } catch is CancellationError {}
            return board.answers
        }
    }

    private func follow(
        _ started: [TaskAnswer], until deadline: ContinuousClock.Instant?,
        _ report: @escaping @Sendable (Int, TaskAnswer) -> Void
    ) async throws {
        let open = started.indices.filter { !started[$0].document.hasEnded }
        // Short questions show progress soon; many tasks share the daemon's time.
        let step: Duration = open.count <= 16 ? .seconds(1) : .seconds(5)
        try await withThrowingTaskGroup(of: Void.self) { group in
            var waiting = open[...]
            for _ in 0..<Self.mostAtOnce { addNext() }
            while try await group.next() != nil { addNext() }

            func addNext() {
                guard let index = waiting.popFirst() else { return }
                let id = started[index].document.id
                group.addTask {
                    _ = try await client.waitForEnd(of: id, until: deadline, step: step) { report(index, $0) }
                }
            }
        }
    }

    private func leaveInterrupted(_ answers: [TaskAnswer]) -> Never {
        let open = answers.map(\.document).filter { !$0.hasEnded }
        let ids = open.map(\.id.printable).joined(separator: " ")
        let subject = open.count == 1 ? "The task goes on" : "\(open.count) tasks go on"
        StandardError.write("\(subject) without you. To wait again:\n  pollux wait \(ids)\n")
        InterruptTrap.endByInterrupt()
    }
}
