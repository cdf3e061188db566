import ProviderCatalog
import TaskEngine
import TaskStore

extension Mutant {
    /// All mutants. Every invariant has at least one.
    static let all: [Mutant] = [
        breaking(
            .presumesLeases, "claims work without a look at the lease of another daemon", caughtBy: [.leaseDecides]
        ).onMachines,
        breaking(
            .takesOverEarly, "takes over a lease before it has expired", caughtBy: [.leaseRunsOut]
        ).onMachines,
        breaking(
            .overratesLeases, "waits for a lease long after it has expired", caughtBy: [.workGoesOn]
        ).onMachines,
        breaking(
            .ignoresPermits, "does not look at its lease before the first byte",
            caughtBy: [.leaseCoversFirstByte, .intentBeforeFirstByte]
        ).onMachines,
        loosening(
            "counts the term of a lease from the reply",
            caughtBy: [.leaseCoversFirstByte, .retryJoins, .onlyRetriesJoin, .submissionRate]
        ) {
            $0.leasesCountFromReply = true
        }.answeredSlowly.passing,
        droppingReplies.onMachines,
        droppingReplies.onServer,
        breaking(
            .skipsStoredLines, "skips a line of another daemon", caughtBy: [.processesSeeTheLog, .filesArrive]
        ).onMachines,
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
        spending(.approvesAll, "starts attempts for which no budget has room", caughtBy: [.budgetIsKept]).onServer,
        spending(
            .remembersMeters, "does not count what other machines have started",
            caughtBy: [.budgetIsKept, .ledgerIsGate]
        ).onMachines,
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
            .reportsStoredAsFull, "reports a stored task as not stored",
            caughtBy: [.errorMeansNothingStored, .retryJoins]),
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
            after: "UPDATE destination SET cursor = (SELECT COALESCE(MAX(sequence), 0) FROM event)"
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
        breaking(
            .overlooksFailOver, "does not notice that another server has taken over",
            caughtBy: [.failOverPaysOnce, .everythingEnds]
        ).failingOver,
        breaking(
            .awaitsNoJournal, "does not wait for the journals of other machines", caughtBy: [.failOverPaysOnce]
        ).failingOver,
        writingNoJournal.failingOver,
        breaking(
            .overlooksOpenElsewhere, "pays again for a request that is repeated at another machine",
            caughtBy: [.retryJoins]
        ).onMachines.passing,
        breaking(
            .endsOpenElsewhere, "takes a request at another machine for undelivered", caughtBy: [.onlyRetriesJoin]
        ).onMachines.passing,
        breaking(.findsNothing, "finds nothing in a list", caughtBy: [.lostIsFound, .everythingEnds]),
    ]
}
