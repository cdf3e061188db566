package import TaskModel

/// Attempts that were given up though the provider may have accepted them.
extension TaskStore {
    /// Services of accounts that have attempts which were given up and are to be looked for again.
    package func servicesWithGivenUpAttempts() async throws(TaskStoreError) -> [AccountService] {
        try await read("servicesWithGivenUpAttempts") { try $0.services(with: .givenUpAttempts) }
    }

    /// Attempts of a service that were given up and are to be looked for again by then, most overdue first.
    package func givenUpAttempts(
        of service: AccountService, dueBy time: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await read("givenUpAttempts") { rows in
            try rows.givenUp(.due(service: service, by: time, limit: limit)).map(\.attempt)
        }
    }

    /// Every attempt of a task that was given up and whose record has not turned up.
    package func givenUpAttempts(of task: TaskID) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await read("givenUpAttempts") { try $0.givenUp(.of(task)).map(\.attempt) }
    }

    /// When the first of them is to be looked for again.
    package func nextGivenUpReading(of service: AccountService) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextGivenUpReading") { try $0.earliest(.givenUpReading(service: service)) }
    }

    /// Remembers how often these were looked for, and when to look again; not of those whose records have turned up.
    package func noteReadings(of attempts: [GivenUpAttempt]) async throws(TaskStoreError) {
        guard !attempts.isEmpty else { return }
        try await write("noteReadings") { transaction in
            for attempt in attempts {
                let known = try transaction.givenUp(.of(attempt.task)).filter {
                    $0.attempt.attempt.number == attempt.attempt.number
                }
                try transaction.put(known.map { $0.noting(attempt) })
            }
        }
    }
}

extension GivenUpRow {
    /// The same with the readings of that one.
    fileprivate func noting(_ read: GivenUpAttempt) -> GivenUpRow {
        GivenUpRow(
            key: key, service: service,
            attempt: GivenUpAttempt(
                task: attempt.task, attempt: attempt.attempt, account: attempt.account,
                endedWithDaemon: attempt.endedWithDaemon,
                givenUpAt: attempt.givenUpAt, readings: read.readings, nextReadingAt: read.nextReadingAt),
            remoteID: remoteID)
    }
}
