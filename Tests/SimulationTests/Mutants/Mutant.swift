import ProviderCatalog
import TaskEngine
import TaskStore

/// A daemon with one deliberate defect.
struct Mutant: Sendable, CustomStringConvertible {
    /// The defect, as the rest of a sentence that begins with "a daemon that".
    private(set) var name: String
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

    /// Whether several daemons share the store in each of its histories.
    var needsMachines = false
    /// Whether the database of its histories, of one daemon, is on a server.
    var needsServer = false
    /// Whether in each of its histories a server takes over that lacks the last commits. Those of the others have none.
    var needsFailOver = false
    /// Whether in each of its histories replies to renewals of leases take long.
    var needsSlowReplies = false
    /// It notes no attempts in its journal.
    var writesNoJournal = false
    /// Replies are not recorded after the lease was lost.
    var dropsRepliesWithoutLease = false

    init(_ name: String, caughtBy catchers: Set<Invariant>) {
        self.name = name
        self.catchers = catchers
    }

    /// The same histories without its fault.
    var harmless: Mutant {
        var plain = Mutant("does nothing wrong", caughtBy: [])
        (plain.needsCopies, plain.needsRivals, plain.needsAccounts) = (needsCopies, needsRivals, needsAccounts)
        (plain.needsNotifications, plain.movesOften, plain.recordsAreLate) = (
            needsNotifications, movesOften, recordsAreLate
        )
        (plain.endpoint, plain.habit, plain.peopleTrack, plain.startsMoved) = (
            endpoint, habit, peopleTrack, startsMoved
        )
        (plain.needsPrograms, plain.needsAgent) = (needsPrograms, needsAgent)
        (plain.needsParts, plain.needsFollower) = (needsParts, needsFollower)
        (plain.clockJumps, plain.reconciles, plain.needsFailOver) = (clockJumps, reconciles, needsFailOver)
        plain.needsSlowReplies = needsSlowReplies
        (plain.needsBudgets, plain.needsMachines, plain.needsServer) = (needsBudgets, needsMachines, needsServer)
        return plain
    }

    /// The same with a destination of notifications in each history.
    var notifying: Mutant {
        var mutant = self
        mutant.needsNotifications = true
        return mutant
    }

    /// The same in histories of several daemons whose server fails.
    var failingOver: Mutant {
        var mutant = onMachines
        mutant.needsFailOver = true
        return mutant
    }

    /// The same in histories of several daemons whose database answers slowly.
    var answeredSlowly: Mutant {
        var mutant = onMachines
        mutant.needsSlowReplies = true
        return mutant
    }

    /// The same in histories of one daemon whose database is on a server.
    var onServer: Mutant {
        var mutant = self
        mutant.name += " (its database on a server)"
        mutant.needsServer = true
        return mutant
    }

    /// The same in histories of several daemons.
    var onMachines: Mutant {
        var mutant = self
        mutant.needsMachines = true
        return mutant
    }

    /// The same with programs that use the gateway in each history.
    var passing: Mutant {
        var mutant = self
        mutant.needsPrograms = true
        return mutant
    }

    /// The same with long values in the records of each history.
    var keepingParts: Mutant {
        var mutant = self
        mutant.needsParts = true
        return mutant
    }

    /// The same with a client that follows the stream in each history.
    var followed: Mutant {
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
