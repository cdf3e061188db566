package import Logging
package import TaskModel
import UpstreamHTTP

/// Everything that can be set, already read and checked.
package struct DaemonSettings: Sendable {
    /// Database and lock.
    package var stateDirectory: String
    package var socketPath: String
    /// Bearer token of the provider; nil where none is set. Never logged, stored or shown.
    package var token: String?
    /// Nil leaves it to the provider's profile.
    package var baseURL: String?
    /// What the settings file says of providers by their names.
    package var providers: [String: ProviderSettings] = [:]
    /// Where a person's own definitions are; nil where no home directory is known.
    package var providersDirectory: String?
    /// Whether the state directory is below a home directory that HOME does not name.
    package var isStateBelowUnsetHome = false
    package var minGap: Duration = .seconds(1)
    package var maxGap: Duration = .seconds(60)
    /// Nil leaves it to the provider's profile.
    package var pollsPerSecond: Double?
    package var submissionTimeout: Duration = .seconds(60)
    package var onUncertain: UncertainPolicy = .hold
    /// Per service; nil leaves it to the provider's profile.
    package var maxInFlight: Int?
    /// Per service; nil leaves it to the provider's profile.
    package var submissionsPerSecond: Double?
    /// How many bytes a reply of a provider may have.
    package var maxReplyBytes = UpstreamHTTP.defaultMaxReplyBytes
    /// Where callbacks are taken and asked for.
    package var callbacks = CallbackSettings()
    package var logLevel: Logger.Level = .info
    /// What a person should know though it stops nothing.
    package var warnings: [String] = []

    /// The defaults, in that state directory.
    package init(stateDirectory: String, socketPath: String) {
        self.stateDirectory = stateDirectory
        self.socketPath = socketPath
    }
}

/// Where callbacks are taken, and where providers are told to call; off unless both are set.
package struct CallbackSettings: Sendable {
    /// `host:port` to listen on.
    package var listen: ListenAddress?
    /// How the listener is reached from outside, without the path.
    package var publicURL: String?
    /// PEM files; nil where something in front of us speaks TLS.
    package var certificateFile: String?
    package var keyFile: String?
}

/// A host and a port, as in `127.0.0.1:8443` or `[::]:8443`.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: Int

    /// Nil for anything else. Port 0 lets the system choose.
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

    /// The host with a port that the system chose.
    func host(with port: Int) -> String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// What the settings file says of one provider.
package struct ProviderSettings: Sendable {
    package var baseURL: String?
    package var tokenFile: String?
    /// Where it stands, for messages.
    package var place: String
}

/// What `pollux serve` was given on the command line; goes over everything else.
package struct DaemonFlags: Sendable {
    package var stateDirectory: String?
    package var socket: String?
    package var settingsFile: String?
    package var logLevel: String?
    /// Whether an empty database may take the place of one that is gone; only ever said for one start.
    package var newDatabase: Bool

    package init(
        stateDirectory: String? = nil, socket: String? = nil, settingsFile: String? = nil, logLevel: String? = nil,
        newDatabase: Bool = false
    ) {
        self.stateDirectory = stateDirectory
        self.socket = socket
        self.settingsFile = settingsFile
        self.logLevel = logLevel
        self.newDatabase = newDatabase
    }
}
