package import TaskModel

extension TaskStore {
    /// What experience tells of an endpoint: of all its tasks, and of those of each model that there is a row for.
    package func learned(of endpoint: EndpointName) async throws(TaskStoreError) -> [Learned] {
        try await read("learned") { try $0.statistics(of: endpoint) }
    }

    /// Reads what each lesson is about, changes it, and writes it back, in the transaction of the changes that teach it.
    static func learn(
        _ lessons: [Lesson], from changes: [TaskChange], in transaction: any StoreTransaction
    ) throws {
        guard !lessons.isEmpty else { return }
        var rows = Dictionary(
            try transaction.statistics(lessons.map(\.key)).map { ($0.key, $0) }
        ) { first, _ in first }
        for lesson in lessons { lesson.learn(&rows[lesson.key, default: Learned(key: lesson.key)], changes) }
        try transaction.put(lessons.compactMap { rows[$0.key] })
    }

    /// Everything that holds requests back.
    package func gates() async throws(TaskStoreError) -> [StoredGate] { try await read("gates") { try $0.gates() } }

    /// Remembers what holds requests back, over restarts; an older revision than what is there changes nothing.
    package func save(_ gate: StoredGate) async throws(TaskStoreError) {
        try await write("save") { transaction in
            let stored = try transaction.gates().first { $0.kind == gate.kind && $0.name == gate.name }
            if let stored, stored.revision >= gate.revision { return }
            try transaction.put([gate])
        }
    }
}
