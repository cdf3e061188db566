/// Identifies a log in which each place is used once.
///
/// A database that was restored from a copy assigns places again that readers already know. So the start that detects
/// the copy begins a new epoch, before its first new line. A place is only valid together with its epoch.
package struct LogEpoch: Sendable, Hashable {
    package let name: String
    /// The earlier epochs, latest first.
    package private(set) var former: [String]

    /// The maximum number of earlier epochs that are stored.
    private static let mostFormer = 15

    /// The successor of that epoch; the first one if nil.
    init(_ name: String, after epoch: LogEpoch?) {
        self.name = name
        former = Array((epoch.map { [$0.name] + $0.former } ?? []).prefix(Self.mostFormer))
    }

    /// Parses a ``text``; nil if it is empty.
    init?(text: String) {
        var names = text.split(separator: " ").map(String.init)
        guard !names.isEmpty else { return nil }
        name = names.removeFirst()
        former = names
    }

    /// The stored form.
    var text: String { ([name] + former).joined(separator: " ") }
}

extension StoreSnapshot {
    /// The epoch of the log; nil if it has none yet.
    fileprivate func logEpoch() throws -> LogEpoch? { try meta()[.logEpoch].flatMap { LogEpoch(text: $0) } }
}

extension StoreTransaction {
    /// Begins an epoch of the log, unless one exists and the database is not a copy.
    func beginLogEpoch(_ name: String, isCopy: Bool) throws {
        let epoch = try logEpoch()
        guard isCopy || epoch == nil else { return }
        try put(.logEpoch, LogEpoch(name, after: epoch).text)
    }
}

extension TaskStore {
    /// The epoch of the log. If there is none, this begins one with that name.
    package func logEpoch(orNew name: String) async throws(TaskStoreError) -> LogEpoch {
        if let epoch = try await read("logEpoch", .statement, { try $0.logEpoch() }) { return epoch }
        return try await driver.write(for: .write("logEpoch")) { transaction in
            try transaction.beginLogEpoch(name, isCopy: false)
            return try transaction.logEpoch() ?? LogEpoch(name, after: nil)
        } committed: { _ in
        }
    }
}
