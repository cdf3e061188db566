/// The invariants that every history must satisfy at all times.
enum Invariant: String, Sendable, CaseIterable {
    case acceptedIsNeverLost = "what a client got an id for is never lost"
    case errorMeansNothingStored = "a submission that was refused in words is not stored"
    case oneTaskPerIntent = "what was asked for once, with whatever repeats, is one task"
    case intentBeforeFirstByte = "the intent is on disk before the first byte goes out"
    case billedOnce = "one intent is billed once, unless a person or a stated policy said otherwise"
    case absenceIsProven = "a policy decides only after three whole readings of the list over two minutes"
    case onlyWhatWasAsked = "a person's decision has a person"
    case outcomeStands = "an outcome never changes by itself"
    case outcomeIsTrue = "an outcome is what the provider or a person says"
    case resultsAreStored = "the results of a success are those that its endpoint's rules name in its record"
    case eventsInOrder = "every event is there, in order, and leads to the row's state"
    case oneOwner = "a remote id has one owner"
    case inFlightCap = "no more tasks are in flight than may be"
    case submissionRate = "paid requests keep their distance"
    case pollRate = "status queries keep to the provider's rate"
    case askedInTime = "in a world that has healed a running task is asked for when it is due"
    case everythingEnds = "in a world that has healed everything ends, or waits for a person and says why"
    case tokenDecides = "a delivery counts if its token is one that went out, and only then"
    case deliveryIsKept = "a delivery that was acknowledged is on disk"
    case deadlineIsOver = "a deadline ends a task only by a clock that has gone on for a minute without a jump"
    case lostIsFound = "what the provider's list shows plainly is found"
    case replyIsKept = "a reply that arrives late is recorded, and what it accepted is not forgotten"
    case leaseDecides = "no attempt starts while another process holds the lease of its account"
    case livingIsNotLost = "what is being sent under a live lease is not declared lost"
    case copySendsNothing =
        "what was sent after a copy was made is not sent again from the copy, unless a person accepts that"
    case onlyCopiesAreRestored = "only a database that was put back counts as a copy"
    case removalIsSafe = "nothing that is open, pinned or unsettled loses its details"
    case stubStays = "a task without details stays as what it was, with its remote id"
    case eventIsDelivered = "in a world that has healed every event reaches its receiver, or is a dead letter"
    case deliveredInOrder = "the events of a task reach their receiver in order"
    case lateIsTold = "a record that turns up after its attempt was given up is told of"
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
