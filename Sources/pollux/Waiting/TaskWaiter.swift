import LocalAPIClient
import LocalAPIContract
import UnixSignals

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Waits for tasks to end and shows their state meanwhile.
struct TaskWaiter {
    typealias TaskAnswer = Answer<TaskDocument>

    let client: LocalAPIClient
    /// The timeout; nil to wait without limit.
    let timeout: Duration?

    private enum Update {
        case answer(Int, TaskAnswer)
        case tick
        case interrupt
    }

    /// Returns the last reply for each task, in order, when all have ended or the timeout has passed.
    func wait(for started: [TaskAnswer]) async throws -> [TaskAnswer] {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        let terminal = Terminal.ofStandardError(environment: ProcessEnvironment.variables)
        let isLive = terminal.isTerminal && ProcessEnvironment.variables["TERM"] != "dumb"
        let (updates, sink) = AsyncStream.makeStream(of: Update.self)
        let interrupts = await UnixSignalsSequence(trapping: .sigint)
        // After the wait, Ctrl-C ends the program again.
        defer { signal(SIGINT, SIG_DFL) }

        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { sink.finish() }
                let follower = TaskFollower(client: client, deadline: deadline) { sink.yield(.answer($0, $1)) }
                try await follower.follow(started)
            }
            group.addTask {
                for await _ in interrupts { sink.yield(.interrupt) }
                throw CancellationError()
            }
            if isLive {
                group.addTask {
                    while true {
                        sink.yield(.tick)
                        try await Task.sleep(for: .milliseconds(100))
                    }
                }
            }
            var reporter = WaitReporter(answers: started, isLive: isLive)
            for await update in updates {
                switch update {
                case .answer(let index, let answer): reporter.take(answer, at: index)
                case .tick: reporter.draw()
                case .interrupt:
                    reporter.finish()
                    leaveInterrupted(reporter.answers)
                }
            }
            reporter.finish()
            // The first task to finish is `follow`, with or without an error; the others end only when cancelled.
            do {
                try await group.next()
                group.cancelAll()
            } catch is CancellationError {}
            return reporter.answers
        }
    }

    private func leaveInterrupted(_ answers: [TaskAnswer]) -> Never {
        let open = answers.map(\.document).filter { !$0.hasEnded }
        let ids = open.map(\.id.printable).joined(separator: " ")
        let subject = open.count == 1 ? "The task continues" : "\(open.count) tasks continue"
        StandardError.write("\(subject) in the daemon. To wait again:\n  pollux wait \(ids)\n")
        Self.endByInterrupt()
    }

    /// Ends the program as Ctrl-C does, so that a shell loop around it ends too.
    private static func endByInterrupt() -> Never {
        signal(SIGINT, SIG_DFL)
        // Dispatch blocks the signals that it watches on its threads, and this may be one.
        var interrupt = sigset_t()
        sigemptyset(&interrupt)
        sigaddset(&interrupt, SIGINT)
        pthread_sigmask(SIG_UNBLOCK, &interrupt, nil)
        raise(SIGINT)
        exit(130)
    }
}
