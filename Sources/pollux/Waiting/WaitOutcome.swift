import LocalAPIContract

/// Maps the end of a wait to an exit code and to lines.
enum WaitOutcome {
    /// A timeout outranks a failure, because waiting again helps.
    static func status(of tasks: [TaskDocument]) -> ExitStatus {
        if tasks.contains(where: { !$0.hasEnded }) { return .timedOut }
        return tasks.allSatisfy { $0.state == "succeeded" } ? .done : .unsuccessful
    }

    /// One line per task with its results below, in a form that `grep` can use.
    static func lines(for tasks: [TaskDocument], on terminal: Terminal) -> [String] {
        tasks.flatMap { task in
            ["\(task.id.printable)  \(terminal.paint(words(for: task), Tint(state: task.state)))"]
                + results(of: task).map { "  \($0)" }
        }
    }

    private static func results(of task: TaskDocument) -> [String] {
        task.state == "succeeded" && task.results.isEmpty
            ? [task.noResults] : ResultLines(results: task.results, record: task.response).lines
    }

    private static func words(for task: TaskDocument) -> String {
        task.state == "succeeded" || task.reason.isEmpty ? task.stateWords : "\(task.stateWords): \(task.reason)"
    }
}
