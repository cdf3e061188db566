import ProviderCatalog
import TaskEngine
import TaskStore

/// The mutants that need histories of their own.
extension Mutant {
    static func breaking(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>, where habit: EchoHabit? = nil
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.habit = habit
        mutant.driver = { base, _ in BrokenDriver(fault: fault, base: base) }
        mutant.tampering = { fault.events(for: $0, to: $1, in: $2, at: $3) }
        mutant.needsRivals = fault == .ignoresLeases
        return mutant
    }

    static func breaking(
        _ fault: BrokenTransport.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.transport = fault
        return mutant
    }

    static func breaking(
        _ fault: SimulatedDownloads.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.downloads = fault
        return mutant
    }

    static func loosening(
        _ name: String, caughtBy catchers: Set<Invariant>, with endpoint: String? = nil,
        _ loosen: @escaping @Sendable (inout EngineLimits) -> Void
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.limits = loosen
        mutant.endpoint = endpoint
        return mutant
    }

    static func tampering(
        _ name: String, caughtBy catchers: Set<Invariant>, before: String? = nil, after: String? = nil,
        around verb: String? = nil
    ) -> Mutant {
        var mutant = Mutant(name, caughtBy: catchers)
        mutant.driver = { base, path in
            try TamperedDriver(base, path: path, before: before, after: after, around: verb)
        }
        return mutant
    }

    static var writingNoJournal: Mutant {
        var mutant = Mutant("notes no attempts in its journal", caughtBy: [.failOverPaysOnce])
        mutant.writesNoJournal = true
        return mutant
    }

    static var droppingReplies: Mutant {
        var mutant = Mutant("records no reply after it has lost its lease", caughtBy: [.replyIsKept])
        mutant.dropsRepliesWithoutLease = true
        return mutant
    }

    static var trustingTracked: Mutant {
        var mutant = breaking(
            .trustsTracked, "assigns a tracked record to another task", caughtBy: [.absenceIsProven])
        mutant.endpoint = "image/make"
        mutant.peopleTrack = true
        return mutant
    }

    static var endingAtShortPages: Mutant {
        var mutant = breaking(
            .endsAtShortPage, "treats a short page as the last one",
            caughtBy: [.absenceIsProven, .lostIsFound, .lateIsTold])
        mutant.endpoint = "image/make"
        mutant.habit = .pagesInTens
        return mutant
    }

    static var expiringByNewClock: Mutant {
        var mutant = loosening("expires a task by a clock that has just changed", caughtBy: [.deadlineIsOver]) {
            $0.steadySpan = .zero
        }
        mutant.clockJumps = true
        return mutant
    }

    static var ignoringLateRecords: Mutant {
        var mutant = breaking(
            .ignoresLateRecords, "ignores late records", caughtBy: [.lateIsTold], where: .verbatim)
        mutant.endpoint = "image/make"
        mutant.recordsAreLate = true
        return mutant
    }

    static var trustingCopies: Mutant {
        var mutant = Mutant("trusts a restored database", caughtBy: [.copySendsNothing])
        mutant.trustsCopies = true
        mutant.needsCopies = true
        return mutant
    }

    static var forgettingReading: Mutant {
        var mutant = Mutant("skips the reading at the start", caughtBy: [.copySendsNothing])
        mutant.forgetsReading = true
        mutant.needsCopies = true
        return mutant
    }

    static var witnessingFirst: Mutant {
        var mutant = Mutant("writes the witness before the commit", caughtBy: [.onlyCopiesAreRestored])
        mutant.witnessesFirst = true
        return mutant
    }

    static var ignoringAddresses: Mutant {
        var mutant = breaking(
            .ignoresAddress, "sends a request to another base URL than it was made for", caughtBy: [.addressFits])
        mutant.movesOften = true
        return mutant
    }

    static var forgettingSettings: Mutant {
        var mutant = Mutant("forgets where the provider was", caughtBy: [.absenceIsProven])
        mutant.forgetsSettings = true
        mutant.startsMoved = true
        mutant.endpoint = "image/make"
        return mutant
    }

    static var presumingAllDead: Mutant {
        var mutant = Mutant("declares the attempts of a living daemon lost", caughtBy: [.livingIsNotLost])
        mutant.rival = .presumesAllDead
        mutant.needsRivals = true
        return mutant
    }

    static var mixingAccounts: Mutant {
        var mutant = breaking(
            .asksWithFirstAccount, "asks for a task with another account", caughtBy: [.accountAsks])
        mutant.needsAccounts = true
        return mutant
    }

    static var forgettingOtherAccounts: Mutant {
        var mutant = breaking(
            .forgetsOtherAccounts, "takes a record that another account's task owns",
            caughtBy: [.oneOwner, .accountAsks])
        mutant.needsAccounts = true
        return mutant
    }

    static var insistingOnDeadAccount: Mutant {
        var mutant = Mutant("chooses a dead account for ever", caughtBy: [.queueDrains])
        mutant.needsAccounts = true
        mutant.usesOneAccount = true
        return mutant
    }

    static var acceptingPartialAnswers: Mutant {
        var mutant = breaking(
            .acceptsPartialAnswers, "takes what an unread account does not show for absent",
            caughtBy: [.absenceIsProven])
        mutant.needsAccounts = true
        mutant.endpoint = "image/make"
        return mutant
    }

    static var movingClientIDs: Mutant {
        var mutant = breaking(
            .resendsByOtherAccount, "sends a client id again by another account",
            caughtBy: [.billedOnce, .accountAsks])
        mutant.needsAccounts = true
        mutant.endpoint = "mine/make"
        return mutant
    }

    static func joining(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = breaking(fault, name, caughtBy: catchers)
        mutant.needsPrograms = true
        return mutant
    }

    static func spending(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = breaking(fault, name, caughtBy: catchers)
        mutant.needsBudgets = true
        return mutant
    }

    static var releasingUncertain: Mutant {
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

    static func repeating(
        _ fault: BrokenDriver.Fault, _ name: String, caughtBy catchers: Set<Invariant>
    ) -> Mutant {
        var mutant = breaking(fault, name, caughtBy: catchers)
        mutant.needsAgent = true
        return mutant
    }

    static var payingForLists: Mutant {
        var mutant = breaking(
            .paysForLists, "pays to compare a list with its tasks", caughtBy: [.reconcilingIsFree])
        mutant.reconciles = true
        return mutant
    }

    static var adoptingOwned: Mutant {
        var mutant = breaking(
            .adoptsOwned, "adopts records that its tasks own", caughtBy: [.orphansAreUnowned])
        mutant.reconciles = true
        return mutant
    }

    static var trustingPartialLists: Mutant {
        var mutant = breaking(
            .endsAtShortPage, "calls a task a ghost that a later page shows", caughtBy: [.ghostsAreMissing])
        (mutant.reconciles, mutant.habit, mutant.endpoint) = (true, .pagesInTens, "image/make")
        return mutant
    }

    static var withoutRecovery: Mutant {
        var mutant = Mutant("skips recovery", caughtBy: [.everythingEnds])
        mutant.skipsRecovery = true
        return mutant
    }

    static var withoutHints: Mutant {
        var mutant = Mutant("ignores wake signals", caughtBy: [.askedInTime])
        mutant.hearsNoHints = true
        return mutant
    }

    static var withoutLog: Mutant {
        var mutant = Mutant(
            "loses its last commits in a crash",
            caughtBy: [.acceptedIsNeverLost, .eventsInOrder, .onlyCopiesAreRestored])
        mutant.losesLog = true
        return mutant
    }

    static var withoutDoubt: Mutant {
        var mutant = Mutant(
            "reports an unknown commit as not stored",
            caughtBy: [.errorMeansNothingStored, .oneTaskPerIntent, .everythingEnds])
        mutant.takesUnknownForNo = true
        return mutant
    }
}
