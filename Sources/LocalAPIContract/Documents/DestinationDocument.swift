/// DestinationDocument is a destination of notifications as the socket shows it.
package struct DestinationDocument: ContractDocument {
    package var name = ""
    /// Where it is, without what may be a secret.
    package var target = ""
    /// The types of the events that it gets.
    package var events: [String] = []
    /// The endpoints whose tasks it gets; nil for all.
    package var endpoints: [String]?
    /// Labels that a task must have.
    package var labels: [String: String] = [:]
    /// What its notifications contain besides the facts of the task.
    package var include: [String] = []
    /// Whether its requests are signed.
    package var signed = false
    /// `open`, `closed` after failures in a row, or `stopped` by 410.
    package var state = ""
    /// RFC 3339. Since when it is closed.
    package var closedAt: String?
    /// RFC 3339. Nothing is sent sooner.
    package var notBefore: String?
    /// Events that wait after a failure.
    package var waiting = 0
    /// Events that are tried no more.
    package var dead = 0
    /// Lines of the log that it has not reached.
    package var behind = 0
    package var lastFailure: Failure?

    /// Why a delivery failed.
    package struct Failure: ContractDocument {
        /// RFC 3339.
        package var at = ""
        /// The HTTP status or exit code.
        package var status: Int?
        package var reason = ""

        package init() {}

        package init(at: String, status: Int?, reason: String) {
            self.at = at
            self.status = status
            self.reason = reason
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("at", &at)
            try coder.member("status", &status)
            try coder.required("reason", &reason)
        }
    }

    package init() {}

    package init(name: String, target: String, state: String) {
        self.name = name
        self.target = target
        self.state = state
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("name", &name)
        try coder.required("target", &target)
        try coder.member("events", &events)
        try coder.member("endpoints", &endpoints)
        try coder.member("labels", &labels)
        try coder.member("include", &include)
        try coder.member("signed", &signed)
        try coder.required("state", &state)
        try coder.member("closed_at", &closedAt)
        try coder.member("not_before", &notBefore)
        try coder.member("waiting", &waiting)
        try coder.member("dead", &dead)
        try coder.member("behind", &behind)
        try coder.member("last_failure", &lastFailure)
    }
}

/// DestinationPage is every destination of the settings.
package struct DestinationPage: ContractDocument {
    package var destinations: [DestinationDocument] = []

    package init() {}

    package init(destinations: [DestinationDocument]) {
        self.destinations = destinations
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.documents("destinations", &destinations)
    }
}

/// DeadLetterDocument is an event that is not sent to a destination any more.
package struct DeadLetterDocument: ContractDocument {
    package var destination = ""
    /// The sequence of the event.
    package var sequence = 0
    /// Nil if the event is about no task.
    package var taskID: String?
    /// The type of the notification.
    package var type = ""
    /// RFC 3339. When the event happened.
    package var at = ""
    /// The number of tries.
    package var attempts = 0
    /// RFC 3339. When it was last tried.
    package var triedAt: String?
    /// The HTTP status or exit code of the last try.
    package var status: Int?
    package var reason: String?
    /// What the receiver answered or wrote, cut.
    package var answer: String?

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("destination", &destination)
        try coder.required("sequence", &sequence)
        try coder.member("task_id", &taskID)
        try coder.required("type", &type)
        try coder.required("at", &at)
        try coder.member("attempts", &attempts)
        try coder.member("tried_at", &triedAt)
        try coder.member("status", &status)
        try coder.member("reason", &reason)
        try coder.member("answer", &answer)
    }
}

/// DeadLetterPage is what is not sent any more, by destination, oldest first.
package struct DeadLetterPage: ContractDocument {
    package var deadLetters: [DeadLetterDocument] = []

    package init() {}

    package init(deadLetters: [DeadLetterDocument]) {
        self.deadLetters = deadLetters
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.documents("dead_letters", &deadLetters)
    }
}

/// ReplayDocument says how many events are sent once more.
package struct ReplayDocument: ContractDocument {
    package var destination = ""
    /// Nil if they are read from the log again, uncounted.
    package var events: Int?

    package init() {}

    package init(destination: String, events: Int?) {
        self.destination = destination
        self.events = events
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("destination", &destination)
        try coder.member("events", &events)
    }
}

/// DeliveryTestDocument says what became of a test.
package struct DeliveryTestDocument: ContractDocument {
    package var destination = ""
    package var delivered = false
    /// The HTTP status or exit code, if the test failed.
    package var status: Int?
    /// Why it failed.
    package var reason: String?
    /// What the receiver answered or wrote, cut.
    package var answer: String?

    package init() {}

    package init(destination: String, delivered: Bool) {
        self.destination = destination
        self.delivered = delivered
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("destination", &destination)
        try coder.required("delivered", &delivered)
        try coder.member("status", &status)
        try coder.member("reason", &reason)
        try coder.member("answer", &answer)
    }
}
