/// The daemon about itself.
package struct StatusDocument: Sendable, Hashable {
    package var version: String
    package var pid: Int
    /// RFC 3339.
    package var startedAt: String
    package var uptimeSeconds: Double
    /// How many tasks are in each state.
    package var tasks: [String: Int]
    package var database: Database
    /// Path of the socket.
    package var socket: String
    package var stateDirectory: String
    package var providers: [Provider]
    /// Where providers call back; nil where callbacks are off.
    package var callbacks: Callbacks?

    /// The receiver of callbacks.
    package struct Callbacks: Sendable, Hashable {
        /// Where it listens on this machine.
        package var listen: String
        /// Where providers are told to call.
        package var publicURL: String
        /// Since the start, with a token of ours.
        package var deliveries: Int
        /// Requests since the start with any other.
        package var unknownTokens: Int
        /// Why deliveries probably cannot arrive, as a sentence; nil where nothing looks like that.
        package var problem: String?

        package init(
            listen: String, publicURL: String, deliveries: Int, unknownTokens: Int, problem: String? = nil
        ) {
            self.listen = listen
            self.publicURL = publicURL
            self.deliveries = deliveries
            self.unknownTokens = unknownTokens
            self.problem = problem
        }
    }

    /// Where the tasks are kept.
    package struct Database: Sendable, Hashable {
        package var path: String
        package var sizeBytes: Int

        package init(path: String, sizeBytes: Int) {
            self.path = path
            self.sizeBytes = sizeBytes
        }
    }

    /// A service with credentials; the token itself is never shown.
    package struct Provider: Sendable, Hashable {
        package var name: String
        package var baseURL: String
        /// `present` or `missing`.
        package var token: String
        /// `open` or `paused`.
        package var state: String
        /// Why it is paused, as a sentence.
        package var reason: String?

        package init(name: String, baseURL: String, token: String, state: String = "open", reason: String? = nil) {
            self.name = name
            self.baseURL = baseURL
            self.token = token
            self.state = state
            self.reason = reason
        }
    }

    package init(
        version: String, pid: Int, startedAt: String, uptimeSeconds: Double, tasks: [String: Int],
        database: Database, socket: String, stateDirectory: String, providers: [Provider],
        callbacks: Callbacks? = nil
    ) {
        self.version = version
        self.pid = pid
        self.startedAt = startedAt
        self.uptimeSeconds = uptimeSeconds
        self.tasks = tasks
        self.database = database
        self.socket = socket
        self.stateDirectory = stateDirectory
        self.providers = providers
        self.callbacks = callbacks
    }
}
