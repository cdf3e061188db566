package import TaskModel

/// Reads and updates given-up attempts, which the provider may have accepted.
extension TaskStore {
    /// The services of accounts that have given-up attempts to look up again.
    package func servicesWithGivenUpAttempts() async throws(TaskStoreError) -> [AccountService] {
        try await read("servicesWithGivenUpAttempts") { try $0.services(with: .givenUpAttempts) }
    }

    /// The given-up attempts of a service to look up again by then, most overdue first.
    package func givenUpAttempts(
        of service: AccountService, dueBy time: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await read("givenUpAttempts") { rows in
            try rows.givenUp(.due(service: service, by: time, limit: limit)).map(\.attempt)
        }
    }

    /// The given-up attempts of a task that have no record yet.
    package func givenUpAttempts(of task: TaskID) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await read("givenUpAttempts") { try $0.givenUp(.of(task)).map(\.attempt) }
    }

    /// When the first of them must be looked up again.
    package func nextGivenUpReading(of service: AccountService) async throws(TaskStoreError) -> Timestamp? {
        try await read("nextGivenUpReading") { try $0.earliest(.givenUpReading(service: service)) }
    }

    /// Stores the number of readings of these attempts and the time of the next. Attempts with a known record stay
    /// unchanged.
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
    /// The row with the readings of that attempt.
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
