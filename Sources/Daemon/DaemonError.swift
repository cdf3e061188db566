import TaskModel

/// Why the daemon does not start, or stopped.
package enum DaemonError: UserFacingError {
    /// A setting makes no sense; a whole sentence.
    case badSetting(String)
    /// Another daemon has the state directory or the socket.
    case alreadyRunning(String)
    /// A directory cannot be made or used; a whole sentence.
    case noPlace(String)
    /// The store says no.
    case store(code: String, message: String)
    /// Something of ours failed.
    case broken(String)

    /// There is no home directory to have a usual place in.
    static func noHome(for what: String, instead: String) -> DaemonError {
        .noPlace(
            "HOME is not set, and the user database knows no home directory of this user, so there is no usual place for the \(what). Set HOME, or name a place with \(instead)."
        )
    }

    package var code: String {
        switch self {
        case .badSetting: "bad_setting"
        case .alreadyRunning: "already_running"
        case .noPlace: "no_place"
        case .store(let code, _): code
        case .broken: "broken"
        }
    }

    package var message: String {
        switch self {
        case .badSetting(let message), .alreadyRunning(let message), .noPlace(let message), .store(_, let message),
            .broken(let message):
            message
        }
    }
}
