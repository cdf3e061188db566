package import TaskModel

/// Exchange is one request of a program to the gateway that submits a task, and what became of its reply.
///
/// The store keeps it until an equal request claims it, or until it can be claimed no more.
package struct Exchange: Sendable, Hashable {
    /// What became of the reply.
    package enum Fate: String, Sendable, Hashable, CaseIterable {
        /// It is not written yet.
        case open
        /// The program had closed the connection before its last byte, or the daemon died.
        case undelivered
        /// The program was told that the outcome is not known (424).
        case unanswered
        /// All of it was written to a connection that was not reset. A proxy in between may still have lost it.
        case delivered
        /// The program has it: it asked about the task afterwards. Nothing can claim it, so it is not kept.
        case received
    }

    /// Grows with every exchange and is never used again.
    package let number: Int64
    package let task: TaskID
    /// Given to the request when it arrived. See ``TaskStore/mark(_:)``.
    package let mark: Int64
    package let fate: Fate
    /// When the fate was known; the time of arrival for an open one.
    package let since: Timestamp
    /// Whether its task ended without a submission that counts: refused, or lost.
    package let isOver: Bool
    /// Whether it is open at another process that may have died: it has not renewed its lease since the request arrived that
    /// is compared with this one.
    package var isOpenElsewhere = false

    package init(
        number: Int64, task: TaskID, mark: Int64 = 0, fate: Fate, since: Timestamp, isOver: Bool = false
    ) {
        self.number = number
        self.task = task
        self.mark = mark
        self.fate = fate
        self.since = since
        self.isOver = isOver
    }
}

/// The fate of an exchange that is not stored yet.
package struct ExchangeFate: Sendable, Hashable {
    /// Which exchange: the mark that the request was given when it arrived.
    package let mark: Int64
    package let contentKey: [UInt8]
    package let fate: Exchange.Fate
    package let at: Timestamp

    package init(mark: Int64, contentKey: [UInt8], fate: Exchange.Fate, at: Timestamp) {
        self.mark = mark
        self.contentKey = contentKey
        self.fate = fate
        self.at = at
    }
}

/// JoinRule decides whether a request is a retry, and of which earlier exchange.
package struct JoinRule: Sendable, Hashable {
    /// What a request is.
    package enum Decision: Sendable, Hashable {
        /// A retry of that exchange.
        case claim(Exchange)
        /// It may be a retry. Whether the program asks about the task until then decides, or whether another process lives.
        case wait(until: Timestamp)
        /// The request gets a new task.
        case new
    }

    /// How long an exchange whose reply did not arrive can be claimed.
    package var retryWindow: Duration
    /// How long an exchange that counts as delivered can be claimed, by a client that counts its retries.
    package static let deliveredWindow: Duration = .seconds(60)
    /// How long a program that has its reply takes at most to ask about the task. Sooner, a delivered exchange is not claimed.
    package static let firstPoll: Duration = .seconds(10)
    /// After how long a request looks again whether the process of an equal one has died.
    package static let replyElsewhere: Duration = .seconds(1)

    package init(retryWindow: Duration = .seconds(600)) {
        self.retryWindow = retryWindow
    }

    /// An equal request claims the oldest exchange whose reply did not arrive.
    ///
    /// Only if there is none, and the client says that this is a retry, it claims the oldest of those whose reply was written, but
    /// whose program has not asked about its task. An equal request of another program, whose connection failed before we saw it,
    /// would otherwise get a task that is not its own.
    ///
    /// An equal request that has no reply yet at another process may be the one that this one repeats: a program whose machine
    /// died reaches another one. So this one waits until that process is known to live, or to be dead.
    /// `hasWaited` says that the request has waited for as long as that takes.
    package func decide(
        among exchanges: [Exchange], isCountedRetry: Bool, hasWaited: Bool = false, at now: Timestamp
    ) -> Decision {
        let inOrder = exchanges.sorted { $0.number < $1.number }
        let undelivered = inOrder.first { exchange in
            switch exchange.fate {
            case .open, .delivered, .received: false
            case .undelivered: now - exchange.since <= retryWindow
            case .unanswered: !exchange.isOver
            }
        }
        if let undelivered { return .claim(undelivered) }
        if !hasWaited, exchanges.contains(where: \.isOpenElsewhere) { return .wait(until: now + Self.replyElsewhere) }
        guard isCountedRetry,
            let delivered = inOrder.first(where: { $0.fate == .delivered && now - $0.since <= Self.deliveredWindow })
        else { return .new }
        // A clock that was set back makes it seem later than now.
        let age = max(now - delivered.since, .zero)
        return hasWaited || age >= Self.firstPoll
            ? .claim(delivered) : .wait(until: now + (Self.firstPoll - age))
    }
}

/// What a program sent besides the members of its request.
package struct PassedMessage: Sendable, Hashable {
    /// The query of the address, without a leading question mark and without credentials.
    package var query: String
    /// End-to-end header fields by their names in small letters, without credentials.
    package var headers: [String: String]
    /// The body and its media type where it is not JSON.
    package var contentType: String?
    package var body: [UInt8]?
    /// Where the provider's paths begin at the gateway, as the program addresses it; empty where that is not known.
    package var address: String

    package init(
        query: String = "", headers: [String: String] = [:], contentType: String? = nil, body: [UInt8]? = nil,
        address: String = ""
    ) {
        self.query = query
        self.headers = headers
        self.contentType = contentType
        self.body = body
        self.address = address
    }
}

/// The provider's reply to a submission, as it came.
package struct SubmissionReply: Sendable, Hashable {
    package let status: Int
    package let contentType: String
    package let body: [UInt8]

    /// Longer ones are not kept a second time beside the record.
    package static let maxBytes = 1 << 20

    package init(status: Int, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// A submission that came through the gateway.
package struct PassedSubmission: Sendable {
    package let task: NewTask
    package let message: PassedMessage
    /// How it is compared with others; nil for one with an idempotency key, which names its task itself.
    package var arrival: Arrival?

    package struct Arrival: Sendable, Hashable {
        /// SHA-256 of what makes two requests equal.
        package let contentKey: [UInt8]
        /// Identifies this arrival.
        package let mark: Int64
        /// When it arrived.
        package let since: Timestamp
        /// Whether the client says that it has sent the same request before.
        package let isCountedRetry: Bool
        /// False if the client asked for a task of its own.
        package let mayJoin: Bool
        package let rule: JoinRule
        /// Whether it has waited for as long as the rule asks for.
        package var hasWaited = false

        package init(
            contentKey: [UInt8], mark: Int64, since: Timestamp, isCountedRetry: Bool, mayJoin: Bool, rule: JoinRule
        ) {
            self.contentKey = contentKey
            self.mark = mark
            self.since = since
            self.isCountedRetry = isCountedRetry
            self.mayJoin = mayJoin
            self.rule = rule
        }
    }

    package init(task: NewTask, message: PassedMessage, arrival: Arrival?) {
        self.task = task
        self.message = message
        self.arrival = arrival
    }
}

/// What became of a submission that came through the gateway.
package enum PassedResult: Sendable, Hashable {
    /// It is a new task, or its idempotency key names one.
    case inserted(InsertResult)
    /// It is a retry, and this is its task.
    case joined(TaskID)
    /// It may be a retry, and is to be decided again then at the latest. Nothing was stored.
    case undecided(until: Timestamp)
}
