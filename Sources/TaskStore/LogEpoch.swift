/// LogEpoch names a log whose places are never given twice.
///
/// A database that was put back from a copy gives places again that readers know already. So it gets a new epoch when a start
/// notices that, before its first new line. A place is only valid together with its epoch.
package struct LogEpoch: Sendable, Hashable {
    package let name: String
    /// The epochs before it, latest first.
    package private(set) var former: [String]

    /// The most former epochs that are remembered.
    private static let mostFormer = 15

    /// The successor of that epoch; the first one after nil.
    init(_ name: String, after epoch: LogEpoch?) {
        self.name = name
        former = Array((epoch.map { [$0.name] + $0.former } ?? []).prefix(Self.mostFormer))
    }

    /// The epoch as ``text`` has it; nil if that is empty.
    init?(text: String) {
        var names = text.split(separator: " ").map(String.init)
        guard !names.isEmpty else { return nil }
        name = names.removeFirst()
        former = names
    }

    /// What is stored.
    var text: String { ([name] + former).joined(separator: " ") }
}

extension StoreSnapshot {
    /// The epoch of the log; nil if it has none yet.
    fileprivate func logEpoch() throws -> LogEpoch? { try meta()[.logEpoch].flatMap { LogEpoch(text: $0) } }
}

extension StoreTransaction {
    /// Begins an epoch of the log, unless there is one already and the database has not turned out to be a copy.
    func beginLogEpoch(_ name: String, isCopy: Bool) throws {
        let epoch = try logEpoch()
        guard isCopy || epoch == nil else { return }
        try put(.logEpoch, LogEpoch(name, after: epoch).text)
    }
}

extension TaskStore {
    /// The epoch of the log. A database that has none begins the one of that name.
    package func logEpoch(orNew name: String) async throws(TaskStoreError) -> LogEpoch {
        if let epoch = try await read("logEpoch", .statement, { try $0.logEpoch() }) { return epoch }
        return try await driver.write(for: .write("logEpoch")) { transaction in
            try transaction.beginLogEpoch(name, isCopy: false)
            return try transaction.logEpoch() ?? LogEpoch(name, after: nil)
        } committed: { _ in
        }
    }
}
