import ProviderCatalog
import TaskEngine
import TaskStore

/// A Pollux that is broken on purpose, in one way.
struct Mutant: Sendable, CustomStringConvertible {
    /// What it does wrong.
    let name: String
    /// The invariants that may catch it.
    let catchers: Set<Invariant>
    /// A start leaves alone what a dead daemon was doing.
    var skipsRecovery = false
    /// Its loops look when they had planned to, whatever they are told.
    var hearsNoHints = false
    /// A crash loses what is in the write-ahead log.
    var losesLog = false
    /// A commit that may be on disk counts as one that is not.
    var takesUnknownForNo = false
    var limits: (@Sendable (inout EngineLimits) -> Void)?
    var driver: (@Sendable (any StoreDriver, _ path: String) throws -> any StoreDriver)?
    var tampering: TaskStore.EventTampering?
    var transport: BrokenTransport.Fault?
    /// It does not look at the witness.
    var trustsCopies = false
    /// It writes the witness before the commit that starts an attempt.
    var witnessesFirst = false
    /// It sends what was queued at the start without a look at the provider's list.
    var forgetsReading = false
    /// Whether its histories have copies that are put back, or second daemons. They end early what shows other mutants.
    var needsCopies = false
    var needsRivals = false
    /// What the second daemon of its histories does wrong.
    var rival: BrokenDriver.Fault?
    /// The only endpoint that its programs use, where that shows it sooner.
    var endpoint: String?
    /// How every history's provider echoes requests, where that shows it sooner.
    var habit: EchoHabit?
    /// Whether people track every lost id that they see, where that shows it sooner.
    var peopleTrack = false

    init(_ name: String, caughtBy catchers: Set<Invariant>) {
        self.name = name
        self.catchers = catchers
    }

    /// The database as this mutant has it.
    func wrap(_ driver: any StoreDriver, path: String) throws -> any StoreDriver {
        try self.driver?(driver, path) ?? driver
    }

    /// The wire as this mutant has it.
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
            .trustsTracked, "takes a tracked record for another task's", caughtBy: [.absenceIsProven])
        mutant.endpoint = "image/make"
        mutant.peopleTrack = true
        return mutant
    }

    private static var endingAtShortPages: Mutant {
        var mutant = breaking(
            .endsAtShortPage, "takes a short page for the last one", caughtBy: [.absenceIsProven, .lostIsFound])
        mutant.endpoint = "image/make"
        mutant.habit = .pagesInTens
        return mutant
    }

    private static var trustingCopies: Mutant {
        var mutant = Mutant("trusts a database that was put back", caughtBy: [.copySendsNothing])
        mutant.trustsCopies = true
        mutant.needsCopies = true
        return mutant
    }

    private static var forgettingReading: Mutant {
        var mutant = Mutant("forgets the reading at the start", caughtBy: [.copySendsNothing])
        mutant.forgetsReading = true
        mutant.needsCopies = true
        return mutant
    }

    private static var witnessingFirst: Mutant {
        var mutant = Mutant("writes the witness before the commit", caughtBy: [.onlyCopiesAreRestored])
        mutant.witnessesFirst = true
        return mutant
    }

    private static var presumingAllDead: Mutant {
        var mutant = Mutant("declares lost what a living daemon is sending", caughtBy: [.livingIsNotLost])
        mutant.rival = .presumesAllDead
        mutant.needsRivals = true
        return mutant
    }

    private static var withoutRecovery: Mutant {
        var mutant = Mutant("skips recovery", caughtBy: [.everythingEnds])
        mutant.skipsRecovery = true
        return mutant
    }

    private static var withoutHints: Mutant {
        var mutant = Mutant("does not hear that there is something to do", caughtBy: [.askedInTime])
        mutant.hearsNoHints = true
        return mutant
    }

    private static var withoutLog: Mutant {
        var mutant = Mutant("loses its last commits in a crash", caughtBy: [.acceptedIsNeverLost, .eventsInOrder])
        mutant.losesLog = true
        return mutant
    }

    private static var withoutDoubt: Mutant {
        var mutant = Mutant(
            "says that a commit is not stored where nobody knows",
            caughtBy: [.errorMeansNothingStored, .oneTaskPerIntent, .everythingEnds])
        mutant.takesUnknownForNo = true
        return mutant
    }

    /// All of them; every invariant has one at least.
    static let all: [Mutant] = [
        breaking(.losesAccepted, "loses an accepted task", caughtBy: [.acceptedIsNeverLost]),
        withoutLog,
        withoutDoubt,
        tampering(
            "throws failed tasks away", caughtBy: [.acceptedIsNeverLost, .eventsInOrder],
            after: "DELETE FROM task WHERE state = 'failed'"),
        breaking(
            .reportsStoredAsFull, "says that it did not store what it stored", caughtBy: [.errorMeansNothingStored]),
        breaking(.ignoresKeys, "ignores idempotency keys", caughtBy: [.oneTaskPerIntent]),
        breaking(.forgetsIntent, "forgets the intent commit", caughtBy: [.intentBeforeFirstByte]),
        breaking(.retries, "retries a paid request", caughtBy: [.billedOnce]),
        breaking(.callsLostUnsent, "takes a lost reply for an unsent request", caughtBy: [.billedOnce]),
        breaking(.callsLostRejected, "takes a lost reply for a rejected token", caughtBy: [.billedOnce]),
        breaking(.resendsAfterCrash, "sends again after a crash", caughtBy: [.billedOnce]),
        breaking(
            .resendsHeld, "sends again what a person should decide about",
            caughtBy: [.onlyWhatWasAsked, .absenceIsProven]),
        breaking(
            .believesFirstReading, "gives up after one reading", caughtBy: [.absenceIsProven, .onlyWhatWasAsked]),
        loosening("takes one reading for proof", caughtBy: [.absenceIsProven]) { limits in
            limits.absentReadings = 1
            limits.absentSpan = .zero
        },
        loosening("ends a task by a clock that was just set", caughtBy: [.deadlineIsOver]) { $0.steadySpan = .zero },
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
        breaking(.seesNoneInFlight, "ignores the cap of tasks in flight", caughtBy: [.inFlightCap]),
        loosening("ignores the rate of paid requests", caughtBy: [.submissionRate], with: "song/audios") {
            $0.submissionsPerSecond = 1_000
        },
        loosening("ignores the rate of status queries", caughtBy: [.pollRate]) {
            $0.pollsPerSecond = 1_000
        },
        breaking(.ignoresLeases, "starts work under the lease of another daemon", caughtBy: [.leaseDecides]),
        tampering(
            "throws away tasks without details", caughtBy: [.stubStays, .acceptedIsNeverLost, .eventsInOrder],
            after: "DELETE FROM task WHERE removed_parts = 7"),
        tampering(
            "forgets the remote ids of tasks without details", caughtBy: [.stubStays],
            after: "UPDATE task SET remote_id = NULL WHERE removed_parts = 7 AND remote_id IS NOT NULL"),
        tampering(
            "forgets the keys of tasks without details", caughtBy: [.oneTaskPerIntent],
            after: "DELETE FROM idempotency_key WHERE task_id IN (SELECT id FROM task WHERE removed_parts = 7)"),
        breaking(
            .sweepsUnsettled, "removes the details of what is still looked for", caughtBy: [.removalIsSafe]),
        tampering(
            "moves a destination's place in the log before the delivery", caughtBy: [.eventIsDelivered],
            after: "UPDATE destination SET cursor = (SELECT MAX(sequence) FROM event)"),
        tampering(
            "forgets dead letters", caughtBy: [.eventIsDelivered], after: "DELETE FROM delivery WHERE is_dead = 1",
            around: "recordDeliveries"),
        tampering(
            "forgets what failed", caughtBy: [.eventIsDelivered], after: "DELETE FROM delivery WHERE is_dead = 0",
            around: "recordDeliveries"),
        loosening("notifies of a task's events out of order", caughtBy: [.deliveredInOrder]) {
            $0.deliveriesPerTask = 2
        },
        presumingAllDead,
        trustingCopies,
        forgettingReading,
        witnessingFirst,
        withoutRecovery,
        withoutHints,
        breaking(.forgetsPutOff, "never looks again at what it has put off", caughtBy: [.everythingEnds]),
        breaking(.believesCallbacks, "takes a callback's word for an outcome", caughtBy: [.outcomeIsTrue]),
        breaking(.believesAnyToken, "believes any callback token", caughtBy: [.tokenDecides]),
        breaking(.dropsDeliveries, "acknowledges a delivery and drops it", caughtBy: [.deliveryIsKept]),
        breaking(
            .overlooksListed, "sends again what the list shows", caughtBy: [.absenceIsProven]),
        breaking(
            .excludesPossible, "takes a rewritten echo for another program's", caughtBy: [.absenceIsProven]),
        trustingTracked,
        endingAtShortPages,
        breaking(
            .mixesControls, "lets another endpoint's record vouch for a list", caughtBy: [.absenceIsProven],
            where: .hidesEdits),
        breaking(.explainsEverything, "takes a stranger's larger request", caughtBy: [.outcomeIsTrue]),
        breaking(.skipsLastLook, "sends again without looking once more", caughtBy: [.absenceIsProven]),
        breaking(.dropsLateReplies, "forgets replies that arrive late", caughtBy: [.replyIsKept]),
        breaking(
            .ignoresLateRecords, "says nothing of records that turn up", caughtBy: [.lateIsTold, .everythingEnds]),
        breaking(.findsNothing, "finds nothing in a list", caughtBy: [.lostIsFound, .everythingEnds]),
    ]
}
