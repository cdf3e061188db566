package import TaskModel
import Text
package import VerbatimJSON

/// A destination of notifications as the settings describe it: where it is, and which events it gets.
package struct Destination: Sendable, Hashable {
    /// How it is reached.
    package enum Target: Sendable, Hashable {
        /// By HTTP.
        case url(String)
        /// By HTTP over a Unix socket with that path.
        case socket(String)
        /// By a program with these arguments.
        case program([String])
        /// By HTTP, at the address that each task brings.
        case taskURLs(TaskURLPolicy)
        /// By HTTP, at the address that a program gave to the gateway, in the form of the task's provider.
        case callbacks
    }

    /// A part of a task that a notification contains besides the facts.
    package enum Part: String, Sendable, CaseIterable {
        case request, response, results
    }

    package let name: DestinationName
    package let target: Target
    package var types = NotificationType.usual
    /// `service/operation`, or `service/*` for all of a service; nil for all endpoints. With none, it gets only tasks that name
    /// it.
    package var endpoints: [String]?
    /// Labels that a task must have.
    package var labels: [String: String] = [:]
    package var parts: Set<Part> = []
    /// The secrets that sign requests. While one is replaced there are several.
    package var secrets: [[UInt8]] = []

    package init(name: DestinationName, target: Target) {
        self.name = name
        self.target = target
    }

    /// Whether it gets events of that type of the task.
    package func takes(_ type: NotificationType, of task: TrackedTask) -> Bool {
        guard types.contains(type) else { return false }
        return switch target {
        case .taskURLs: task.notify.map(Self.isAddress) ?? false
        case .callbacks: task.notify?.hasPrefix(Self.callbackMark) ?? false
        case .url, .socket, .program: task.notify == name.text || passes(task)
        }
    }

    private func passes(_ task: TrackedTask) -> Bool {
        let endpoint = task.endpoint
        if let endpoints,
            !endpoints.contains(where: { $0 == endpoint.text || $0 == endpoint.service.text + "/*" })
        {
            return false
        }
        return labels.allSatisfy { task.labels[$0.key] == $0.value }
    }

    /// Whether it gets events of that type, which belong to no task. Filters of tasks do not apply.
    package func takesDaemonEvents(_ type: NotificationType) -> Bool {
        guard types.contains(type) else { return false }
        return switch target {
        case .taskURLs, .callbacks: false
        case .url, .socket, .program: true
        }
    }

    /// Whether the receiver is on this machine.
    package var isNear: Bool {
        switch target {
        case .url(let text): HTTPURL(text)?.authority.isLoopback ?? false
        case .socket, .program: true
        case .taskURLs, .callbacks: false
        }
    }

    /// The most deliveries at once.
    var mostInFlight: Int {
        switch target {
        case .url, .socket: 16
        case .program: 4
        case .taskURLs, .callbacks: 32
        }
    }

    /// The target without what may be a secret: a path or query of a URL often is one.
    package var shownTarget: String {
        switch target {
        case .url(let text): HTTPURL(text).map { "\($0.scheme)://\($0.host)" } ?? "a URL"
        case .socket(let path): "unix:\(path)"
        case .program(let arguments): arguments.first ?? ""
        case .taskURLs: "the addresses that tasks bring"
        case .callbacks: "the callback addresses of programs at the gateway"
        }
    }
}

/// One notification to send.
package struct TaskNotification: Sendable {
    /// `<epoch>-<sequence>`: the same for every try.
    package let id: String
    /// `task.succeeded`.
    package let type: String
    /// When the event happened.
    package let at: Timestamp
    /// The task as it is now; nil for a test, and for an event about no task.
    package let task: TaskWithPayload?
    /// What the log says about an event that belongs to no task.
    package var detail: JSONObject?
    /// The body in the form of the task's provider; nil for the usual one.
    package var body: JSONValue?

    /// A test of a destination.
    static func ping(epoch: String, at now: Timestamp) -> TaskNotification {
        TaskNotification(id: "\(epoch)-ping-\(now.milliseconds)", type: "pollux.ping", at: now, task: nil)
    }
}

/// Sends notifications, one try for each call.
package protocol NotificationSender: Sendable {
    func send(_ notification: TaskNotification, to destination: Destination, at now: Timestamp) async
        -> DeliveryQueue.Outcome
}
