import VerbatimJSON

/// The state of the daemon.
package struct StatusDocument: ContractDocument {
    package var version = ""
    package var pid = 0
    /// RFC 3339.
    package var startedAt = ""
    package var uptimeSeconds = 0.0
    /// The number of tasks in each state.
    package var tasks: [String: Int] = [:]
    package var database = Database()
    /// Why nothing paid is sent, if the database is an older copy; a sentence.
    package var restored: String?
    /// Why nothing paid is sent since a start with `--hold`; a sentence.
    package var held: String?
    /// The current settings; nil if the daemon does not report them.
    package var settings: SettingsDocument?
    /// Path of the socket.
    package var socket = ""
    package var stateDirectory = ""
    package var providers: [Provider] = []
    /// The files of results; nil from a daemon that keeps none.
    package var artefacts: Artefacts?
    /// The callback receiver; nil if callbacks are off.
    package var callbacks: Callbacks?
    /// The destinations of notifications.
    package var destinations: [Destination] = []

    /// A destination of notifications.
    package struct Destination: ContractDocument {
        package var name = ""
        /// `open`, `closed` after failures in a row, or `stopped` by 410.
        package var state = ""
        /// The latest failure.
        package var reason: String?
        /// Events that wait after a failure.
        package var waiting = 0
        /// Events that are tried no more.
        package var dead = 0

        package init() {}

        package init(name: String, state: String, reason: String?, waiting: Int, dead: Int) {
            self.name = name
            self.state = state
            self.reason = reason
            self.waiting = waiting
            self.dead = dead
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("name", &name)
            try coder.required("state", &state)
            try coder.member("reason", &reason)
            try coder.member("waiting", &waiting)
            try coder.member("dead", &dead)
        }
    }

    /// The files of results.
    package struct Artefacts: ContractDocument {
        package var directory = ""
        /// Of all files; nil if it cannot be measured.
        package var usedBytes: Int?
        /// The most bytes of all files.
        package var quotaBytes: Int?
        /// Files that are to be fetched.
        package var waiting = 0
        /// Those of them that have no room on disk.
        package var withoutRoom = 0
        /// Why nothing is fetched or removed, as sentences; nil if no problem is known.
        package var problem: String?

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("directory", &directory)
            try coder.member("used_bytes", &usedBytes)
            try coder.member("quota_bytes", &quotaBytes)
            try coder.member("waiting", &waiting)
            try coder.member("without_room", &withoutRoom)
            try coder.member("problem", &problem)
        }
    }

    /// The receiver of callbacks.
    package struct Callbacks: ContractDocument {
        /// The address where it listens on this machine.
        package var listen = ""
        /// The URL that providers call.
        package var publicURL = ""
        /// The number of requests since the start with a known token.
        package var deliveries = 0
        /// The number of requests since the start with an unknown token.
        package var unknownTokens = 0
        /// Why deliveries probably cannot arrive, as a sentence; nil if no problem is known.
        package var problem: String?

        package init() {}

        package init(
            listen: String, publicURL: String, deliveries: Int, unknownTokens: Int, problem: String? = nil
        ) {
            self.listen = listen
            self.publicURL = publicURL
            self.deliveries = deliveries
            self.unknownTokens = unknownTokens
            self.problem = problem
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("listen", &listen)
            try coder.required("public_url", &publicURL)
            try coder.member("deliveries", &deliveries)
            try coder.member("unknown_tokens", &unknownTokens)
            try coder.member("problem", &problem)
        }
    }

    /// The database that stores the tasks.
    package struct Database: ContractDocument {
        package var path = ""
        package var sizeBytes = 0

        package init() {}

        package init(path: String, sizeBytes: Int) {
            self.path = path
            self.sizeBytes = sizeBytes
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("path", &path)
            try coder.required("size_bytes", &sizeBytes)
        }
    }

    /// A provider. Its token is never shown.
    package struct Provider: ContractDocument {
        package var name = ""
        package var baseURL = ""
        /// `present` or `missing`.
        package var token = ""
        /// `open` or `paused`.
        package var state = ""
        /// Why it is paused, as a sentence.
        package var reason: String?
        /// In the order of the settings; `default` alone if they name none.
        package var accounts: [Account] = []

        /// Whether the settings name its accounts.
        package var hasNamedAccounts: Bool { accounts.count > 1 || accounts.contains { $0.name != "default" } }

        package init() {}

        package init(
            name: String, baseURL: String, token: String, state: String = "open", reason: String? = nil,
            accounts: [Account] = []
        ) {
            self.accounts = accounts
            self.name = name
            self.baseURL = baseURL
            self.token = token
            self.state = state
            self.reason = reason
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("name", &name)
            try coder.required("base_url", &baseURL)
            try coder.required("token", &token)
            try coder.required("state", &state)
            try coder.member("reason", &reason)
            try coder.member("accounts", &accounts)
        }
    }

    /// An account of a provider.
    package struct Account: ContractDocument {
        package var name = ""
        /// `present` or `missing`.
        package var token = ""
        /// `open` or `paused`.
        package var state = ""
        /// Why it is paused, as a sentence.
        package var reason: String?
        package var inFlight = 0
        /// The limit of its tasks in flight; nil if it has none.
        package var maxInFlight: Int?

        package init() {}

        package init(
            name: String, token: String, state: String = "open", reason: String? = nil, inFlight: Int = 0,
            maxInFlight: Int? = nil
        ) {
            self.name = name
            self.token = token
            self.state = state
            self.reason = reason
            self.inFlight = inFlight
            self.maxInFlight = maxInFlight
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("name", &name)
            try coder.required("token", &token)
            try coder.required("state", &state)
            try coder.member("reason", &reason)
            try coder.member("in_flight", &inFlight)
            try coder.member("max_in_flight", &maxInFlight)
        }
    }

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("version", &version)
        try coder.required("pid", &pid)
        try coder.required("started_at", &startedAt)
        try coder.required("uptime_seconds", &uptimeSeconds)
        var counts = StateCounts(byState: tasks)
        try coder.member("tasks", &counts)
        tasks = counts.byState
        try coder.required("database", &database)
        try coder.member("restored", &restored)
        try coder.member("held", &held)
        try coder.member("settings", &settings)
        try coder.required("socket", &socket)
        try coder.required("state_directory", &stateDirectory)
        try coder.documents("providers", &providers)
        try coder.member("artefacts", &artefacts)
        try coder.member("callbacks", &callbacks)
        try coder.member("destinations", &destinations)
    }
}

/// The number of tasks in each state, in the order of a task's life. Unknown states of a newer daemon come last.
private struct StateCounts: MemberValue {
    let byState: [String: Int]

    static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> StateCounts {
        let counts = try MemberCoder(reading: json, at: path)
        var byState: [String: Int] = [:]
        for name in counts.names { byState[name] = try counts.read(name, as: Int.self) }
        return StateCounts(byState: byState)
    }

    var json: JSONValue {
        let newer = byState.keys.filter { !TaskDocument.states.contains($0) }.sorted()
        return .object(JSONObject((TaskDocument.states + newer).map { ($0, (byState[$0] ?? 0).json) }))
    }
}
