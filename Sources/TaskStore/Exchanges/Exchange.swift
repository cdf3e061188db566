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
        /// The program has it, as far as its connection shows.
        case delivered
    }

    /// Grows with every exchange and is never used again.
    package let number: Int64
    package let task: TaskID
    package let fate: Fate
    /// When the fate was known; the time of arrival for an open one.
    package let since: Timestamp
    /// Whether its task ended without a submission that counts: refused, or lost.
    package let isOver: Bool

    package init(number: Int64, task: TaskID, fate: Fate, since: Timestamp, isOver: Bool = false) {
        self.number = number
        self.task = task
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
    /// How long an exchange whose reply did not arrive can be claimed.
    package var retryWindow: Duration
    /// How long an exchange whose reply did arrive can be claimed, by a client that counts its retries.
    package static let deliveredWindow: Duration = .seconds(60)

    package init(retryWindow: Duration = .seconds(600)) {
        self.retryWindow = retryWindow
    }

    /// The exchange that an equal request claims: the oldest whose reply did not arrive. Only if there is none, and the client
    /// says that this is a retry, the oldest of those whose reply did. Nil if the request means a new task.
    package func claim(among exchanges: [Exchange], isCountedRetry: Bool, at now: Timestamp) -> Exchange? {
        let inOrder = exchanges.sorted { $0.number < $1.number }
        let undelivered = inOrder.first { exchange in
            switch exchange.fate {
            case .open, .delivered: false
            case .undelivered: now - exchange.since <= retryWindow
            case .unanswered: !exchange.isOver
            }
        }
        if let undelivered { return undelivered }
        guard isCountedRetry else { return nil }
        return inOrder.first { $0.fate == .delivered && now - $0.since <= Self.deliveredWindow }
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

    package init(query: String = "", headers: [String: String] = [:], contentType: String? = nil, body: [UInt8]? = nil)
    {
        self.query = query
        self.headers = headers
        self.contentType = contentType
        self.body = body
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
    package let arrival: Arrival?

    package struct Arrival: Sendable, Hashable {
        /// SHA-256 of what makes two requests equal.
        package let contentKey: [UInt8]
        /// Identifies this arrival.
        package let mark: Int64
        /// Whether the client says that it has sent the same request before.
        package let isCountedRetry: Bool
        /// False if the client asked for a task of its own.
        package let mayJoin: Bool
        package let rule: JoinRule

        package init(contentKey: [UInt8], mark: Int64, isCountedRetry: Bool, mayJoin: Bool, rule: JoinRule) {
            self.contentKey = contentKey
            self.mark = mark
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
}
