import TaskEngine
import TaskModel

/// Checks which requests of programs the gateway took for retries.
extension Audit {
    /// Checks a claim in the log.
    func noteJoin(_ event: DiskView.EventLine) throws {
        guard event.kind == "joined", let exchange = event.exchange else { return }
        guard claimedExchanges.insert(exchange).inserted else {
            throw Violation(.exchangeIsClaimedOnce, "exchange \(exchange) was claimed twice, last by \(event.task)")
        }
        guard event.fate != "open", event.fate != "received" else {
            throw Violation(.onlyRetriesJoin, "exchange \(exchange) was \(event.fate ?? ""), and joined")
        }
        guard event.fate == "delivered" else { return }
        guard event.isCounted else {
            throw Violation(.onlyRetriesJoin, "exchange \(exchange) was delivered, and joined by an uncounted request")
        }
        guard !world.isClockSet else { return }
        let ages = world.programs.written(about: event.task).map { event.at - $0.milliseconds }
        guard ages.contains(where: { 10_000...60_000 ~= $0 }) else {
            throw Violation(.onlyRetriesJoin, "exchange \(exchange) was joined \(ages) ms after its replies")
        }
        // What was asked in an earlier life may not have been stored.
        guard !repliesAreAmbiguous, let asked = world.programs.askedAt(event.task) else { return }
        guard event.at <= asked.milliseconds else {
            throw Violation(
                .onlyRetriesJoin, "exchange \(exchange) was claimed after its program asked about \(event.task)")
        }
    }

    /// Checks that retries got the task of their first request, and no other request did.
    func checkPassed(_ clients: Clients) throws {
        for kind in PassedIntent.Kind.allCases {
            let intents = clients.passed.filter { $0.kind == kind }
            let begun = intents.count(where: \.hasBegun) + intents.reduce(0) { $0 + $1.late }
            let stored = tasks.filter { $0.program == kind.rawValue }
            guard stored.count <= begun else {
                throw Violation(.retryJoins, "\(begun) request(s) of \(kind) became \(stored.map(\.id))")
            }
            // A reply that arrived just before a crash counts as lost, so an equal request may get its task. And a program that
            // makes equal requests at the same time may take longer for its first poll than another for its retry.
            guard !repliesAreAmbiguous, kind != .both else { continue }
            let tasks = intents.compactMap(\.task)
            guard Set(tasks).count == tasks.count else {
                throw Violation(
                    .onlyRetriesJoin, "\(tasks.count) requests of \(kind) got \(Set(tasks).count) task(s)")
            }
        }
    }
}
