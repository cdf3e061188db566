import TaskStore

/// Checks which calls of an agent are new tasks.
extension Audit {
    /// Notes a line about a task of the agent, and checks those before it when a new one is created.
    func noteAgentTask(_ event: DiskView.EventLine, _ clients: Clients) throws {
        if event.kind == "created" {
            let window = JoinableSubmission.window.components.seconds * 1_000
            for (id, end) in agentEnds {
                guard let end else {
                    throw Violation(.equalCallsJoin, "\(event.task) was created, and \(id) was open")
                }
                guard clients.agent?.shown.contains(id) ?? false || event.at - end > window else {
                    throw Violation(
                        .equalCallsJoin, "\(event.task) was created, and the end of \(id) had not been shown")
                }
            }
        }
        let hasEnded = ["succeeded", "failed", "cancelled", "expired"].contains(event.to)
        if !hasEnded {
            agentEnds[event.task] = .some(nil)
        } else if event.from != event.to {
            agentEnds[event.task] = event.at
        }
    }

    /// Checks the reply to a call: an end that was shown is not joined, unless a person reopened the task.
    func noteGeneration(_ task: String, _ clients: Clients) {
        guard clients.agent?.collected.contains(task) ?? false, !clients.reopened.contains(task) else { return }
        staleJoin = "a call joined \(task), whose end had been shown"
    }
}
