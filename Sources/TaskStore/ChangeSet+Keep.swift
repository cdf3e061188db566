import TaskModel
import VerbatimJSON

/// Stores what an event changes besides the task's row.
extension ChangeSet {
    /// Stores a token before it is used, and a delivery's body while it may be needed.
    func keep(_ event: TaskEvent, of row: TaskRow, leadingTo change: TaskChange) throws {
        switch event {
        case .submissionStarted(let callback?, _):
            try transaction.insert([NewToken(digest: callback, key: row.key, attempt: change.task.attempts)])
            try dropOldAttempts(of: row, before: change.task.attempts)
        case .submissionStarted(nil, _):
            try dropOldAttempts(of: row, before: change.task.attempts)
        case .calledBack(let delivery):
            try transaction.count([CountedDelivery(delivery, of: row.key)])
            let isOfAnother = change.transition == .noteLateRecord && !change.task.state.hasEnded
            if !change.task.isOver, !isOfAnother { try keepBody(of: delivery, for: row) }
        default:
            break
        }
        if change.task.isOver, row.task.callbacks.finalAt != nil { try transaction.dropBodies(of: [row.key]) }
    }

    /// The maximum number of attempts of a task whose lines and tokens are kept. A provider that throttles for weeks
    /// causes thousands of attempts.
    private static let mostAttempts = 100

    private func dropOldAttempts(of row: TaskRow, before number: Int) throws {
        guard number > Self.mostAttempts else { return }
        // The provider may call back about an attempt that was given up.
        let givenUp = try transaction.givenUp(.of(row.task.id)).map(\.attempt.attempt.number).min() ?? number
        let last = min(number - Self.mostAttempts, givenUp - 1)
        if last > 0 { try transaction.dropTokens(of: row.key, upToAttempt: last) }
        try drop(
            try transaction.oldestLines(
                of: row.key, kinds: [TaskEvent.submissionStarted().kind, "submission_not_accepted"], limit: 2))
    }

    /// Deletes lines of the log.
    func drop(_ lines: [Int64]) throws {
        guard let last = lines.max() else { return }
        try transaction.dropLines(lines)
        try noteRemoval(upTo: last)
    }

    /// Stores the place of the last line that was removed, for readers of the log that continue later.
    func noteRemoval(upTo sequence: Int64) throws {
        let before = try transaction.meta()[.lastRemovedLine].flatMap { Int64($0) } ?? 0
        if sequence > before { try transaction.put(.lastRemovedLine, String(sequence)) }
    }

    /// Keeps the better of two final bodies, and the later of two equally good ones.
    private func keepBody(of delivery: CallbackDelivery, for row: TaskRow) throws {
        guard delivery.isFinal, let observation = delivery.observation else { return }
        let isSuccess = if case .succeeded = observation.verdict { true } else { false }
        let isWorse = try !isSuccess && transaction.bodies(of: [row.task.id]).contains { $0.body.isSuccess }
        guard !isWorse else { return }
        try transaction.put([DeliveredBody(key: row.key, isSuccess: isSuccess, body: observation.record.text)])
    }

    /// Stores the effect of a change on the attempts of its task.
    ///
    /// `account` is the one that shows the late record; nil for the one that made the attempt.
    func keep(_ change: AttemptChange, of row: TaskRow, shownTo account: AccountName?) throws {
        if let (number, id) = change.found {
            let found = try transaction.givenUp(.of(row.task.id)).filter { $0.attempt.attempt.number == number }
            if !found.isEmpty { try transaction.put(found.map { $0.found(as: id, by: account) }) }
        }
        if let number = change.resumed { try transaction.dropGivenUp(number, of: row.key) }
        guard let givenUp = change.givenUp else { return }
        try transaction.put([
            GivenUpRow(key: row.key, service: row.task.endpoint.service, attempt: givenUp, remoteID: nil)
        ])
    }
}

extension CountedDelivery {
    init(_ delivery: CallbackDelivery, of key: Int64) {
        self.init(key: key, attempt: delivery.attempt, isFinal: delivery.isFinal)
    }
}

extension GivenUpRow {
    /// The same once its record has appeared: it is not looked up again.
    fileprivate func found(as id: RemoteTaskID, by account: AccountName?) -> GivenUpRow {
        GivenUpRow(key: key, service: service, attempt: attempt.settled(by: account), remoteID: id)
    }
}

extension GivenUpAttempt {
    /// The same for that account, without another reading.
    fileprivate func settled(by account: AccountName?) -> GivenUpAttempt {
        GivenUpAttempt(
            task: task, attempt: attempt, account: account ?? self.account, endedWithDaemon: endedWithDaemon,
            givenUpAt: givenUpAt, readings: readings, nextReadingAt: nil)
    }
}

extension TrackedTask {
    /// Whether deliveries no longer matter: the task has ended and cannot be reopened.
    fileprivate var isOver: Bool { state.hasEnded && !mayBeReopened }
}
