import TaskEngine
import TaskModel

/// Checks which requests of programs the gateway took for retries.
extension Audit {
    /// Notes a claim in the log.
    func noteJoin(_ event: DiskView.EventLine) throws {
        guard event.kind == "joined", let exchange = event.exchange else { return }
        guard claimedExchanges.insert(exchange).inserted else {
            throw Violation(.exchangeIsClaimedOnce, "exchange \(exchange) was claimed twice, last by \(event.task)")
        }
    }

    /// Checks that retries got the task of their first request, and no other request did.
    func checkPassed(_ clients: Clients) throws {
        for program in [PassedIntent.parallel, PassedIntent.counting] {
            let intents = clients.passed.filter { $0.submission.program == program }
            let begun = intents.count(where: \.hasBegun)
            let stored = tasks.filter { $0.program == program }
            guard stored.count <= begun else {
                throw Violation(.retryJoins, "\(begun) request(s) of \(program) became \(stored.map(\.id))")
            }
            // A reply that arrived just before a crash counts as lost, so an equal request may get its task.
            guard !repliesAreAmbiguous else { continue }
            let tasks = intents.compactMap(\.task)
            guard Set(tasks).count == tasks.count else {
                throw Violation(
                    .onlyRetriesJoin, "\(tasks.count) requests of \(program) got \(Set(tasks).count) task(s)")
            }
        }
    }
}
