import ProviderCatalog
import TaskEngine
import TaskStore

/// A daemon with one deliberate defect.
struct Mutant: Sendable, CustomStringConvertible {
    /// The defect, as the rest of a sentence that begins with "a daemon that".
    let name: String
    /// The invariants that may catch it.
    let catchers: Set<Invariant>
    /// A start does not recover the attempts of a dead daemon.
    var skipsRecovery = false
    /// Loops ignore wake signals.
    var hearsNoHints = false
    /// A crash loses the write-ahead log.
    var losesLog = false
    /// A commit with an unknown outcome counts as not stored.
    var takesUnknownForNo = false
    var limits: (@Sendable (inout EngineLimits) -> Void)?
    var driver: (@Sendable (any StoreDriver, _ path: String) throws -> any StoreDriver)?
    var tampering: TaskStore.EventTampering?
    var transport: BrokenTransport.Fault?
    var downloads: SimulatedDownloads.Fault?
    /// The witness is ignored.
    var trustsCopies = false
    /// The witness is written before the commit that starts an attempt.
    var witnessesFirst = false
    /// Tasks queued at the start are sent without the check of the provider's list.
    var forgetsReading = false
    /// Whether its histories have restored copies or second daemons. Those hide the defects of other mutants.
    var needsCopies = false
    var needsRivals = false
    /// Whether its histories have several accounts. Those of the others have one.
    var needsAccounts = false
    /// Whether each of its histories has a destination of notifications.
    var needsNotifications = false
    /// It submits with its first account only.
    var usesOneAccount = false
    /// The defect of the second daemon.
    var rival: BrokenDriver.Fault?
    /// The only endpoint that its clients use, if that catches it sooner.
    var endpoint: String?
    /// How the provider echoes requests in each history, if that catches it sooner.
    var habit: EchoHabit?
    /// Whether every history has many reloads that change the provider's base URL.
    var movesOften = false
    /// Whether half of the starts in every history have the provider at another base URL.
    var startsMoved = false
    /// Whether its daemon knows nothing of former settings.
    var forgetsSettings = false
    /// Whether every history has programs that use the gateway.
    var needsPrograms = false
    /// Whether each of its histories without retention has an agent.
    var needsAgent = false
    /// Whether the records of each of its histories have long values.
    var needsParts = false
    /// Whether a client follows the stream in each of its histories.
    var needsFollower = false
    /// Whether people track every lost id that they see, if that catches it sooner.
    var peopleTrack = false
    /// Whether most requests of every history are lost and listed late, and people soon give them up.
    var recordsAreLate = false
    /// Whether the clock of every history jumps.
    var clockJumps = false
    /// Whether in each of its histories a person compares the provider's lists with the tasks.
    var reconciles = false
    /// Whether each of its histories has prices and budgets. Those of the others have none.
    var needsBudgets = false

    init(_ name: String, caughtBy catchers: Set<Invariant>) {
        self.name = name
        self.catchers = catchers
    }

    /// The same histories without its fault.
    var harmless: Mutant {
        var plain = Mutant("does nothing wrong", caughtBy: [])
        (plain.needsCopies, plain.needsRivals, plain.needsAccounts) = (needsCopies, needsRivals, needsAccounts)
        (plain.needsNotifications, plain.movesOften, plain.recordsAreLate, plain.needsPrograms) = (
            needsNotifications, movesOften, recordsAreLate, needsPrograms
        )
        (plain.endpoint, plain.habit, plain.peopleTrack, plain.startsMoved) = (
            endpoint, habit, peopleTrack, startsMoved
        )
        (plain.needsPrograms, plain.needsAgent) = (needsPrograms, needsAgent)
        (plain.needsParts, plain.needsFollower) = (needsParts, needsFollower)
        (plain.clockJumps, plain.reconciles) = (clockJumps, reconciles)
        plain.needsBudgets = needsBudgets
        return plain
    }

    /// The same with a destination of notifications in each history.
    fileprivate var notifying: Mutant {
        var mutant = self
        mutant.needsNotifications = true
        return mutant
    }

    /// The same with long values in the records of each history.
    fileprivate var keepingParts: Mutant {
        var mutant = self
        mutant.needsParts = true
        return mutant
    }

    /// The same with a client that follows the stream in each history.
    fileprivate var followed: Mutant {
        var mutant = self
        mutant.needsFollower = true
        return mutant
    }

    /// Wraps the database with the defect.
    func wrap(_ driver: any StoreDriver, path: String) throws -> any StoreDriver {
        try self.driver?(driver, path) ?? driver
    }

    /// Wraps the transport with the defect.
    func wrap(_ upstream: any UpstreamTransport) -> any UpstreamTransport {
        transport.map { BrokenTransport(fault: $0, base: upstream) } ?? upstream
    }

    var description: String { name }
}

extension Mutant {
    private static func breaking(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>, where habit: EchoHabit? = nil
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.habit = habit
        mutant.driver = { base, _ in BrokenDriver(fault: fault, base: base) }
        mutant.tampering = { fault.events(for: $0, to: $1, in: $2, at: $3) }
        mutant.needsRivals = fault == .ignoresLeases
        return mutant
    }

    private static func breaking(
        _ fault: BrokenTransport.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.transport = fault
        return mutant
    }

    private static func breaking(
        _ fault: SimulatedDownloads.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.downloads = fault
        return mutant
    }

    private static func loosening(
        _ name: String, caughtBy catchers: Set<Invariant>, with endpoint: String? = nil,
        _ loosen: @escaping @Sendable (inout EngineLimits) -> Void
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.limits = loosen
        mutant.endpoint = endpoint
        return mutant
    }

    private static func tampering(
        _ name: String, caughtBy catchers: Set<Invariant>, before: String? = nil, after: String? = nil,
        around verb: String? = nil
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.driver = { base, path in
            try TamperedDriver(base, path: path, before: before, after: after, around: verb)
        }
        return mutant
    }

    private static var trustingTracked: Mutant {
        var mutant = breaking(
            .trustsTracked, "assigns a tracked record to another task", caughtBy: [.absenceIsProven])
        mutant.endpoint = "image/make"
        mutant.peopleTrack = true
        return mutant
    }

    private static var endingAtShortPages: Mutant {
        var mutant = breaking(
            .endsAtShortPage, "treats a short page as the last one",
            caughtBy: [.absenceIsProven, .lostIsFound, .lateIsTold])
        mutant.endpoint = "image/make"
        mutant.habit = .pagesInTens
        return mutant
    }

    private static var expiringByNewClock: Mutant {
        var mutant = loosening("expires a task by a clock that has just changed", caughtBy: [.deadlineIsOver]) {
            $0.steadySpan = .zero
        }
        mutant.clockJumps = true
        return mutant
    }

    private static var ignoringLateRecords: Mutant {
        var mutant = breaking(
            .ignoresLateRecords, "ignores late records", caughtBy: [.lateIsTold], where: .verbatim)
        mutant.endpoint = "image/make"
        mutant.recordsAreLate = true
        return mutant
    }

    private static var trustingCopies: Mutant {
        var mutant = Mutant("trusts a restored database", caughtBy: [.copySendsNothing])
        mutant.trustsCopies = true
        mutant.needsCopies = true
        return mutant
    }

    private static var forgettingReading: Mutant {
        var mutant = Mutant("skips the reading at the start", caughtBy: [.copySendsNothing])
        mutant.forgetsReading = true
        mutant.needsCopies = true
        return mutant
    }

    private static var witnessingFirst: Mutant {
        var mutant = Mutant("writes the witness before the commit", caughtBy: [.onlyCopiesAreRestored])
        mutant.witnessesFirst = true
        return mutant
    }

    private static var ignoringAddresses: Mutant {
        var mutant = breaking(
            .ignoresAddress, "sends a request to another base URL than it was made for", caughtBy: [.addressFits])
        mutant.movesOften = true
        return mutant
    }

    private static var forgettingSettings: Mutant {
        var mutant = Mutant("forgets where the provider was", caughtBy: [.absenceIsProven])
        mutant.forgetsSettings = true
        mutant.startsMoved = true
        mutant.endpoint = "image/make"
        return mutant
    }

    private static var presumingAllDead: Mutant {
        var mutant = Mutant("declares the attempts of a living daemon lost", caughtBy: [.livingIsNotLost])
        mutant.rival = .presumesAllDead
        mutant.needsRivals = true
        return mutant
    }

    private static var mixingAccounts: Mutant {
        var mutant = breaking(
            .asksWithFirstAccount, "asks for a task with another account", caughtBy: [.accountAsks])
        mutant.needsAccounts = true
        return mutant
    }

    private static var forgettingOtherAccounts: Mutant {
        var mutant = breaking(
            .forgetsOtherAccounts, "takes a record that another account's task owns",
            caughtBy: [.oneOwner, .accountAsks])
        mutant.needsAccounts = true
        return mutant
    }

    private static var insistingOnDeadAccount: Mutant {
        var mutant = Mutant("chooses a dead account for ever", caughtBy: [.queueDrains])
        mutant.needsAccounts = true
        mutant.usesOneAccount = true
        return mutant
    }

    private static var acceptingPartialAnswers: Mutant {
        var mutant = breaking(
            .acceptsPartialAnswers, "takes what an unread account does not show for absent",
            caughtBy: [.absenceIsProven])
        mutant.needsAccounts = true
        mutant.endpoint = "image/make"
        return mutant
    }

    private static var movingClientIDs: Mutant {
        var mutant = breaking(
            .resendsByOtherAccount, "sends a client id again by another account",
            caughtBy: [.billedOnce, .accountAsks])
        mutant.needsAccounts = true
        mutant.endpoint = "mine/make"
        return mutant
    }

    private static func joining(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = breaking(fault, name, caughtBy: catchers)
        mutant.needsPrograms = true
        return mutant
    }

    private static func spending(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = breaking(fault, name, caughtBy: catchers)
        mutant.needsBudgets = true
        return mutant
    }

    private static var releasingUncertain: Mutant {
        var mutant = tampering(
            "releases the reservation of an uncertain attempt", caughtBy: [.reservationStays],
            after: """
                INSERT INTO ledger (
                  task, attempt, kind, at_ms, started_at_ms, unit, reserved_micros, spent_micros, unpriced, provider,
                  account, endpoint, labels)
                SELECT ledger.task, ledger.attempt, 'release', ledger.at_ms, ledger.started_at_ms, ledger.unit,
                  -ledger.reserved_micros, 0, -ledger.unpriced, ledger.provider, ledger.account, ledger.endpoint,
                  ledger.labels
                FROM ledger JOIN task ON task.id = ledger.task AND task.attempts = ledger.attempt
                WHERE task.state = 'uncertain' AND ledger.kind = 'reserve' AND NOT EXISTS (
                  SELECT 1 FROM ledger AS other
                  WHERE other.task = ledger.task AND other.attempt = ledger.attempt AND other.kind = 'release')
                """)
        mutant.needsBudgets = true
        return mutant
    }

    private static func repeating(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = breaking(fault, name, caughtBy: catchers)
        mutant.needsAgent = true
        return mutant
    }

    private static var payingForLists: Mutant {
        var mutant = breaking(
            .paysForLists, "pays to compare a list with its tasks", caughtBy: [.reconcilingIsFree])
        mutant.reconciles = true
        return mutant
    }

    private static var adoptingOwned: Mutant {
        var mutant = breaking(
            .adoptsOwned, "adopts records that its tasks own", caughtBy: [.orphansAreUnowned])
        mutant.reconciles = true
        return mutant
    }

    private static var trustingPartialLists: Mutant {
        var mutant = breaking(
            .endsAtShortPage, "calls a task a ghost that a later page shows", caughtBy: [.ghostsAreMissing])
        (mutant.reconciles, mutant.habit, mutant.endpoint) = (true, .pagesInTens, "image/make")
        return mutant
    }

    private static var withoutRecovery: Mutant {
        var mutant = Mutant("skips recovery", caughtBy: [.everythingEnds])
        mutant.skipsRecovery = true
        return mutant
    }

    private static var withoutHints: Mutant {
        var mutant = Mutant("ignores wake signals", caughtBy: [.askedInTime])
        mutant.hearsNoHints = true
        return mutant
    }

    private static var withoutLog: Mutant {
        var mutant = Mutant(
            "loses its last commits in a crash",
            caughtBy: [.acceptedIsNeverLost, .eventsInOrder, .onlyCopiesAreRestored])
        mutant.losesLog = true
        return mutant
    }

    private static var withoutDoubt: Mutant {
        var mutant = Mutant(
            "reports an unknown commit as not stored",
            caughtBy: [.errorMeansNothingStored, .oneTaskPerIntent, .everythingEnds])
        mutant.takesUnknownForNo = true
        return mutant
    }

    /// All mutants. Every invariant has at least one.
    static let all: [Mutant] = [
        joining(
            .joinsEagerly, "takes every equal request for a retry", caughtBy: [.onlyRetriesJoin]),
        joining(.joinsNothing, "takes no request for a retry", caughtBy: [.retryJoins]),
        joining(
            .forgetsReceived, "lets a retry claim a reply that its program has", caughtBy: [.onlyRetriesJoin]),
        joining(
            .keepsClaimed, "lets two requests claim one exchange", caughtBy: [.exchangeIsClaimedOnce, .onlyRetriesJoin]),
        repeating(.forgetsCalls, "takes no call of an agent for a repeated one", caughtBy: [.equalCallsJoin]),
        repeating(
            .forgetsShownEnds, "forgets which ends an agent was shown", caughtBy: [.shownEndsAreOver]),
        spending(
            .reservesLate, "reserves after the commit that starts an attempt",
            caughtBy: [.attemptIsReserved, .ledgerIsGate]),
        spending(
            .countsLate, "counts an attempt for its budgets after it was started",
            caughtBy: [.ledgerIsGate, .budgetIsKept]),
        spending(
            .forgetsToSettle, "forgets to settle", caughtBy: [.outcomeIsSettled, .ledgerIsGate]),
        spending(.approvesAll, "starts attempts for which no budget has room", caughtBy: [.budgetIsKept]),
        spending(.keepsHolding, "never lets held tasks go on", caughtBy: [.heldGoesOn, .everythingEnds]),
        releasingUncertain,
        acceptingPartialAnswers,
        movingClientIDs,
        payingForLists, adoptingOwned, trustingPartialLists,
        breaking(.losesAccepted, "loses an accepted task", caughtBy: [.acceptedIsNeverLost]),
        withoutLog,
        withoutDoubt,
        tampering(
            "deletes failed tasks", caughtBy: [.acceptedIsNeverLost, .eventsInOrder],
            after: "DELETE FROM task WHERE state = 'failed'"),
        breaking(
            .reportsStoredAsFull, "reports a stored task as not stored", caughtBy: [.errorMeansNothingStored]),
        breaking(.ignoresKeys, "ignores idempotency keys", caughtBy: [.oneTaskPerIntent]),
        breaking(.forgetsIntent, "forgets the intent commit", caughtBy: [.intentBeforeFirstByte]),
        breaking(.retries, "retries a paid request", caughtBy: [.billedOnce]),
        breaking(.callsLostUnsent, "treats a lost reply as an unsent request", caughtBy: [.billedOnce]),
        breaking(.callsLostRejected, "treats a lost reply as a rejected token", caughtBy: [.billedOnce]),
        breaking(.resendsAfterCrash, "resubmits after a crash", caughtBy: [.billedOnce]),
        breaking(
            .resendsHeld, "resubmits a task that waits for a person",
            caughtBy: [.onlyWhatWasAsked, .absenceIsProven]),
        breaking(
            .believesFirstReading, "gives up after one reading", caughtBy: [.absenceIsProven, .onlyWhatWasAsked]),
        loosening("accepts one reading as proof", caughtBy: [.absenceIsProven]) { limits in
            limits.absentReadings = 1
            limits.absentSpan = .zero
        },
        expiringByNewClock,
        tampering(
            "applies a late result over an outcome", caughtBy: [.outcomeStands, .resultsAreStored],
            before: """
                UPDATE task_payload SET response = '{"late": true}' WHERE task_key IN (
                  SELECT task_key FROM task WHERE state = 'succeeded')
                """),
        tampering(
            "lets a failed task run again", caughtBy: [.eventsInOrder, .outcomeStands],
            after: """
                UPDATE task SET state = 'running', ended_at_ms = NULL, next_due_at_ms = created_at_ms
                WHERE state = 'failed' AND remote_id IS NOT NULL
                """),
        breaking(.swapsRecords, "confuses the records of two tasks", caughtBy: [.outcomeIsTrue]),
        breaking(.dropsResults, "does not store the results of a success", caughtBy: [.resultsAreStored]),
        breaking(.confusesResults, "shows the results of another task", caughtBy: [.resultsAreStored]),
        tampering(
            "drops an event", caughtBy: [.eventsInOrder],
            after: "DELETE FROM event WHERE kind = 'submission_accepted'"),
        tampering(
            "matches a record that another task owns", caughtBy: [.oneOwner],
            before: "UPDATE task SET remote_id = '~' || remote_id WHERE remote_id IS NOT NULL",
            after: "UPDATE task SET remote_id = substr(remote_id, 2) WHERE remote_id LIKE '~%'", around: "settle"),
        breaking(.seesNoneInFlight, "ignores the in-flight limit", caughtBy: [.inFlightCap]),
        loosening("ignores the rate of paid requests", caughtBy: [.submissionRate], with: "song/audios") {
            $0.submissionsPerSecond = 1_000
        },
        loosening("ignores the rate of status queries", caughtBy: [.pollRate]) {
            $0.pollsPerSecond = 1_000
        },
        breaking(.ignoresLeases, "starts work under the lease of another daemon", caughtBy: [.leaseDecides]),
        tampering(
            "deletes tasks without details", caughtBy: [.stubStays, .oneTaskPerIntent],
            before: "DELETE FROM task WHERE removed_parts >= 7"),
        tampering(
            "deletes tasks without details that have a key", caughtBy: [.oneTaskPerIntent],
            before: """
                DELETE FROM task WHERE removed_parts >= 7 AND task_key IN (SELECT task_key FROM idempotency_key)
                """),
        tampering(
            "forgets the remote ids of tasks without details", caughtBy: [.stubStays],
            after: "UPDATE task SET remote_id = NULL WHERE removed_parts >= 7 AND remote_id IS NOT NULL"),
        tampering(
            "forgets the keys of tasks without details", caughtBy: [.oneTaskPerIntent],
            after: "DELETE FROM idempotency_key WHERE task_key IN (SELECT task_key FROM task WHERE removed_parts >= 7)"),
        tampering(
            "removes the details of pinned tasks", caughtBy: [.removalIsSafe],
            before: """
                CREATE TEMP TABLE IF NOT EXISTS pin (task_key INTEGER PRIMARY KEY);
                DELETE FROM pin;
                INSERT INTO pin SELECT task_key FROM task WHERE is_pinned = 1;
                UPDATE task SET is_pinned = 0 WHERE is_pinned = 1
                """,
            after: "UPDATE task SET is_pinned = 1 WHERE task_key IN (SELECT task_key FROM pin)", around: "sweep"),
        breaking(
            .sweepsOwners, "removes tasks whose records a search reads", caughtBy: [.removalIsSafe, .oneOwner]),
        ignoringAddresses, forgettingSettings,
        breaking(
            .sweepsUnsettled, "removes the details of unsettled tasks", caughtBy: [.removalIsSafe]),
        breaking(.linksEarly, "links a file before it is whole", caughtBy: [.savedIsWhole]),
        breaking(.forgetsObject, "calls a result saved whose file it has not linked", caughtBy: [.savedIsWhole]),
        breaking(
            .commitsBeforeSync, "commits a record before its long value is synced", caughtBy: [.partIsSynced]
        ).keepingParts,
        breaking(
            .removesUsedPart, "removes a long value that another record has", caughtBy: [.partIsSynced]
        ).keepingParts,
        breaking(
            .forgetsParts, "leaves long values on disk that no record has", caughtBy: [.partsLeave]
        ).keepingParts,
        breaking(
            .skipsStoredLines, "skips an event when a client resumes", caughtBy: [.streamIsWhole]
        ).followed,
        breaking(
            .repeatsStoredLines, "repeats an event when a client resumes", caughtBy: [.streamIsWhole]
        ).followed,
        tampering(
            "removes files that no client has had to make room", caughtBy: [.filesStay],
            before: "UPDATE artefact SET delivered_at_ms = 1 WHERE state = 'saved' AND delivered_at_ms IS NULL"),
        tampering(
            "forgets files that could not be fetched at once", caughtBy: [.filesArrive],
            after: "DELETE FROM artefact WHERE state = 'waiting' AND attempts > 0"),
        tampering(
            "moves a destination's place in the log before the delivery",
            caughtBy: [.eventIsDelivered, .deliveredInOrder, .removalIsSafe],
            after: "UPDATE destination SET cursor = (SELECT MAX(sequence) FROM event)"
        ).notifying,
        tampering(
            "forgets dead letters",
            caughtBy: [.eventIsDelivered, .deliveredInOrder, .removalIsSafe, .everythingEnds],
            after: "DELETE FROM delivery WHERE is_dead = 1", around: "recordDeliveries"
        ).notifying,
        tampering(
            "forgets what failed", caughtBy: [.eventIsDelivered, .deliveredInOrder, .removalIsSafe],
            after: "DELETE FROM delivery WHERE is_dead = 0", around: "recordDeliveries"
        ).notifying,
        loosening("sends a task's events out of order", caughtBy: [.deliveredInOrder]) {
            $0.deliveriesPerTask = 2
        }.notifying,
        presumingAllDead,
        trustingCopies,
        forgettingReading,
        mixingAccounts,
        forgettingOtherAccounts,
        insistingOnDeadAccount,
        witnessingFirst,
        withoutRecovery,
        withoutHints,
        breaking(.forgetsPutOff, "never continues a postponed task", caughtBy: [.everythingEnds, .askedInTime]),
        breaking(.believesCallbacks, "accepts a callback as outcome", caughtBy: [.outcomeIsTrue]),
        breaking(.believesAnyToken, "accepts any callback token", caughtBy: [.tokenDecides]),
        breaking(.dropsDeliveries, "acknowledges a delivery and drops it", caughtBy: [.deliveryIsKept]),
        breaking(
            .overlooksListed, "resubmits a listed task", caughtBy: [.absenceIsProven]),
        breaking(
            .excludesPossible, "ignores a rewritten echo", caughtBy: [.absenceIsProven]),
        trustingTracked,
        endingAtShortPages,
        breaking(
            .mixesControls, "accepts another endpoint's record as control", caughtBy: [.absenceIsProven],
            where: .hidesEdits),
        breaking(.explainsEverything, "assigns another program's larger request", caughtBy: [.outcomeIsTrue]),
        breaking(.skipsLastLook, "resubmits without another reading", caughtBy: [.absenceIsProven]),
        breaking(.dropsLateReplies, "forgets replies that arrive late", caughtBy: [.replyIsKept]),
        ignoringLateRecords,
        breaking(.findsNothing, "finds nothing in a list", caughtBy: [.lostIsFound, .everythingEnds]),
    ]
}
