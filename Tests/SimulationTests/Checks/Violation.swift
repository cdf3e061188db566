/// The invariants that every history must satisfy at all times.
enum Invariant: String, Sendable, CaseIterable {
    case acceptedIsNeverLost = "a task whose id a client received is never lost"
    case errorMeansNothingStored = "a rejected submission is not stored"
    case oneTaskPerIntent = "a submission with any number of retries is one task"
    case intentBeforeFirstByte = "an attempt is on disk before its first byte is sent"
    case billedOnce = "a submission is billed once unless a person or its policy decides otherwise"
    case absenceIsProven = "a policy decides only after three complete readings of the list over two minutes"
    case onlyWhatWasAsked = "only a person makes a person's decision"
    case outcomeStands = "an outcome never changes by itself"
    case outcomeIsTrue = "an outcome is that of the provider or a person"
    case resultsAreStored = "a success has the results that its dialect reads from its record"
    case eventsInOrder = "the log is complete and in order, and leads to the row's state"
    case oneOwner = "a remote id has one owner"
    case inFlightCap = "the in-flight limit is never exceeded"
    case submissionRate = "paid requests respect the service's rate"
    case pollRate = "status queries respect the provider's rate"
    case askedInTime = "without faults a running task is polled when it is due"
    case everythingEnds = "without faults every task ends, or waits for a person and shows why"
    case tokenDecides = "a delivery counts only if its token was sent"
    case deliveryIsKept = "an acknowledged delivery is on disk"
    case deadlineIsOver = "a deadline ends a task only after the clock was steady for a minute"
    case lostIsFound = "a clearly listed record is found"
    case replyIsKept = "a late reply is recorded, and the task it accepted is known"
    case leaseDecides = "no attempt starts while another process holds the lease of its account"
    case leaseRunsOut = "a lease is taken over only after it has expired"
    case leaseCoversFirstByte = "a paid request begins only while its sender has the lease"
    case processesSeeTheLog = "the subscribers of each daemon see each line of the log once and in order"
    case workGoesOn = "tasks of a daemon that died are polled within twenty seconds"
    case livingIsNotLost = "an attempt under a current lease is not declared lost"
    case copySendsNothing =
        "a restored copy does not repeat submissions made after the copy unless a person accepts it"
    case failOverPaysOnce = "nothing is paid again because a server that takes over lacks the last commits"
    case onlyCopiesAreRestored = "only a restored database counts as a copy"
    case removalIsSafe = "open, pinned and unsettled tasks keep their details"
    case stubStays = "a task without details keeps its state and its remote id until its time is over"
    case addressFits = "a paid request is sent only to the base URL that it was made for"
    case accountAsks = "a task is asked for with the account that submitted it"
    case queueDrains = "the queue of a dead account goes out through the others"
    case savedIsWhole = "every object is whole, and a result counts as saved only if its object is there"
    case filesArrive = "without faults the file of every result is saved, or the reason is shown"
    case filesStay = "a file leaves the disk only if a client had it, it is too old, or its task was deleted"
    case partIsSynced = "a long value of a stored record is in a file that was synced before"
    case partsLeave = "a long value that no record has leaves the disk"
    case streamIsWhole = "a client that resumes its stream gets each event once and in order, or a reset"
    case eventIsDelivered = "without faults every event reaches its receiver, or is a dead letter"
    case deliveredInOrder = "the events of a task reach their receiver in order"
    case exchangeIsClaimedOnce = "an exchange of the gateway is claimed at most once"
    case retryJoins = "a request that is repeated because its reply was lost is one task"
    case onlyRetriesJoin = "equal requests whose replies arrived are different tasks"
    case equalCallsJoin =
        "an equal call of an agent joins its task while that is open, and for ten minutes after an end that was not shown"
    case shownEndsAreOver = "an equal call of an agent that was shown the end is a new task"
    case reconcilingIsFree = "a comparison of lists with tasks sends nothing paid"
    case orphansAreUnowned = "no record is tracked that a task owns"
    case ghostsAreMissing = "a ghost has no record in its provider's list"
    case attemptIsReserved = "an attempt has one reservation, from the commit that starts it"
    case reservationStays = "a reservation stays while the outcome of its attempt is unknown"
    case outcomeIsSettled = "what a successful task has cost is settled"
    case ledgerIsGate = "what a budget counts is the sum of the ledger"
    case budgetIsKept = "no attempt starts for which a budget has no room, unless a person approves it"
    case heldGoesOn = "a held task goes on once its budget has room"
    case lateIsTold = "a late record of a given-up attempt is logged"
}

/// A violated invariant.
struct Violation: Error, Sendable, CustomStringConvertible {
    let invariant: Invariant
    let message: String

    init(_ invariant: Invariant, _ message: String) {
        self.invariant = invariant
        self.message = message
    }

    var description: String { "\"\(invariant.rawValue)\" does not hold: \(message)" }
}
