import TaskModel

/// Why the daemon did not start, or stopped.
package enum DaemonError: UserFacingError {
    /// A setting is invalid. The text is a whole sentence.
    case badSetting(String)
    /// Another daemon uses the state directory or the socket.
    case alreadyRunning(String)
    /// A directory cannot be created or used. The text is a whole sentence.
    case unusablePath(String)
    /// The store reported an error.
    case store(code: String, message: String)
    /// An internal error.
    case broken(String)

    /// The error for a default path without a home directory.
    static func noHome(for what: String, instead: String) -> DaemonError {
        .unusablePath(
            "HOME is not set, and the user database has no home directory for this user, so there is no default path for the \(what). Set HOME, or choose a path with \(instead)."
        )
    }

    package var code: String {
        switch self {
        case .badSetting: "bad_setting"
        case .alreadyRunning: "already_running"
        case .unusablePath: "no_place"
        case .store(let code, _): code
        case .broken: "broken"
        }
    }

    package var message: String {
        switch self {
        case .badSetting(let message), .alreadyRunning(let message), .unusablePath(let message), .store(_, let message),
            .broken(let message):
            message
        }
    }
}
