package import Artefacts
package import Gateway
import LocalAPI
package import Logging
import PostgresDriver
package import TaskEngine
package import TaskModel
package import TaskStore
import Text
import UpstreamHTTP

/// All settings, parsed and checked.
package struct DaemonSettings: Sendable {
    /// The directory of the database and the lock.
    package var stateDirectory: String
    package var socketPath: String
    /// The provider's bearer token, if set. It is never logged, stored or shown.
    package var token: String?
    /// Nil uses the URL of the provider definition.
    package var baseURL: String?
    /// The PostgreSQL database that is used in place of a file in the state directory.
    var store: PostgresAddress?
    /// Whether sessions of PostgreSQL keep prepared statements.
    var keepsStatements = true
    /// Whether processes on one PostgreSQL tell each other of commits.
    var notifiesProcesses = true
    /// The settings of each provider, by name as written. ``Providers`` finds the name in the catalog.
    package var providers: [String: ProviderSettings] = [:]
    /// The directory of the user's definitions; nil if no home directory is known.
    package var providersDirectory: String?
    /// The user's own prices; nil if no home directory is known.
    package var pricesFile: String?
    /// What may be spent.
    var budgets: [BudgetSettings] = []
    /// Whether the state directory is below a home directory although HOME is not set.
    package var isStateBelowUnsetHome = false
    package var minGap: Duration = .seconds(1)
    package var maxGap: Duration = .seconds(60)
    /// Nil uses the limit of the provider definition.
    package var pollsPerSecond: Double?
    package var submissionTimeout: Duration = .seconds(60)
    package var onUncertain: UncertainPolicy = .hold
    /// Per service. Nil uses the limit of the provider definition.
    package var maxInFlight: Int?
    /// Per service. Nil uses the limit of the provider definition.
    package var submissionsPerSecond: Double?
    /// The size limit of a provider reply in bytes.
    package var maxReplyBytes = UpstreamHTTP.defaultMaxReplyBytes
    /// The proxy for requests to providers, which may contain a password. Nil leaves it to the environment.
    package var proxy: String?
    /// A PEM file of certificate authorities that are trusted besides the system's.
    package var authoritiesFile: String?
    /// The callback listener and its public URL.
    package var callbacks = CallbackSettings()
    /// The listener for programs that speak to a provider through Pollux.
    package var gateway = GatewayListenerSettings()
    /// The listener for people with a browser.
    package var dashboard = DashboardSettings()
    /// How long the details of ended tasks are kept.
    package var retention = RetentionPolicy()
    /// The time between two comparisons of the providers' lists with the tasks; nil if there are none.
    package var reconcileInterval: Duration?
    /// Who is notified of what happens to tasks.
    var destinations: [DestinationSettings] = []
    /// Whether tasks may bring addresses for notifications.
    package var taskURLs = TaskURLPolicy.off
    /// Which files of results are fetched.
    package var artefacts = ArtefactSettings(isOn: true)
    /// How much room files of results may take.
    package var artefactLimits = ObjectFiles.Limits()
    /// Where files of results are kept; nil for a directory in the state directory.
    package var artefactDirectory: String?
    /// The maximum number of event streams.
    package var maxStreams = LocalAPI.maxStreams
    /// Where Prometheus reads the metrics, besides the socket.
    package var metricsListen: ListenAddress?
    package var logLevel: Logger.Level = .info
    package var logFormat = LogFormat.text
    /// The settings as given, by name.
    var values: [String: String] = [:]
    /// The file of ``token``, if one is set.
    var mainTokenFile: String?
    /// The stamps of the token files before they were read, by path; nil for a missing file.
    var tokenFiles: [String: FileStamp?] = [:]
    /// Why tokens could not be read again. The earlier tokens stay in use.
    var tokenProblems: [String] = []
    /// Warnings to log that do not prevent the start.
    package var warnings: [String] = []

    /// Creates the default settings for a state directory.
    package init(stateDirectory: String, socketPath: String) {
        self.stateDirectory = stateDirectory
        self.socketPath = socketPath
    }
}

/// The callback listener and its public URL. Callbacks are off unless both are set.
package struct CallbackSettings: Sendable {
    /// The address to listen on.
    package var listen: ListenAddress?
    /// The public base URL of the listener, without the callback path.
    package var publicURL: String?
    /// PEM files; nil if a proxy terminates TLS.
    package var certificateFile: String?
    package var keyFile: String?
}

/// The gateway. It is off unless it has an address or a socket.
package struct GatewayListenerSettings: Sendable {
    /// The address to listen on.
    package var listen: ListenAddress?
    /// The path of a socket to listen on as well, or instead.
    package var socket: String?
    /// PEM files. An address that other machines reach needs them.
    package var certificateFile: String?
    package var keyFile: String?
    /// What a reload may change.
    package var rules = GatewaySettings()
    var isOn: Bool { listen != nil || socket != nil }
}

/// The dashboard. It listens from the first `pollux open` on unless it has an address.
package struct DashboardSettings: Sendable {
    /// The address to listen on from the start.
    package var listen: ListenAddress?
    /// Its address where a proxy does the encryption.
    package var publicURL: String?
    /// PEM files. An address that other machines reach needs them, or a proxy.
    package var certificateFile: String?
    package var keyFile: String?
    /// Further names that a `Host` header field may have. A reload may change them.
    package var hosts: [String] = []
}

/// A host and a port, such as `127.0.0.1:8443` or `[::]:8443`.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: Int

    /// Nil if the text is not a host and a port. Port 0 lets the system choose.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, !host.contains(" "), !host.contains("/") else { return nil }
        self.host = host
        self.port = Int(port)
    }

    package var description: String { host(with: port) }

    /// Whether only programs on this machine reach it.
    var isLoopback: Bool { HostPort(host)?.isLoopback ?? (host == "::1") }

    /// Formats the host with the port that the system chose.
    func host(with port: Int) -> String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The settings of one provider.
package struct ProviderSettings: Sendable {
    package var baseURL: String?
    package var tokenFile: String?
    /// Its accounts; empty if it has only the account `default`.
    package var accounts: [AccountSettings] = []
    /// The source of the setting, for messages.
    package var place: String
}

/// The command line flags of `pollux serve`. They override all other settings.
package struct DaemonFlags: Sendable {
    package var stateDirectory: String?
    package var socket: String?
    package var settingsFile: String?
    package var logLevel: String?
    /// Whether an empty database may replace a missing one. Applies to one start.
    package var newDatabase: Bool
    /// Holds back all paid requests until a person resumes them.
    package var hold: Bool

    package init(
        stateDirectory: String? = nil, socket: String? = nil, settingsFile: String? = nil, logLevel: String? = nil,
        newDatabase: Bool = false, hold: Bool = false
    ) {
        self.stateDirectory = stateDirectory
        self.socket = socket
        self.settingsFile = settingsFile
        self.logLevel = logLevel
        self.newDatabase = newDatabase
        self.hold = hold
    }
}
