import ArgumentParser
import Daemon
import VerbatimJSON
import LocalAPIClient
import LocalAPIContract

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The exit code of a command. Thrown by itself, it ends the command without a message.
enum ExitStatus: Int32, Error {
    case done = 0
    /// The task ended without success.
    case unsuccessful = 1
    /// The command line is invalid.
    case usage = 64
    /// This program or the daemon rejected the input.
    case refused = 65
    /// A task, a destination, an endpoint, a file or anything else that was named does not exist.
    case notFound = 66
    case noDaemon = 69
    /// An internal error.
    case bug = 70
    /// The wait timed out before the task ended.
    case timedOut = 75
}

/// Input that this program rejects without a request to the daemon.
struct RefusedInput: Error {
    /// Whole sentences.
    let message: String
    /// Whether it names something that does not exist.
    var isMissing = false

    /// A file that cannot be opened or read.
    init(path: String, errno code: CInt) {
        message = "\(path.printable): \(String(cString: strerror(code)))."
        isMissing = code == ENOENT
    }

    init(message: String, isMissing: Bool = false) {
        self.message = message
        self.isMissing = isMissing
    }
}

/// Converts an error into an exit code and a message.
struct ExitReport {
    let status: ExitStatus
    /// The message for standard error; nil for none.
    let message: String?
    /// Set if the parser prints the message: help, version, usage.
    private let parserError: (any Error)?

    init(of error: any Error) {
        var parserError: (any Error)?
        switch error {
        case let status as ExitStatus:
            (self.status, message) = (status, nil)
        case is ClosedPipe:
            // The reader of a pipe closed it, as `| head` does.
            (status, message) = (.done, nil)
        case let error as RefusedInput:
            (status, message) = (error.isMissing ? .notFound : .refused, error.message)
        case let error as DaemonError:
            (status, message) = (Self.status(of: error), error.message)
        case let error as LocalAPIClientError:
            (status, message) = (Self.status(of: error), Self.message(of: error))
        case _ where Pollux.exitCode(for: error) == .success:
            (status, message, parserError) = (.done, nil, error)
        case _ where Pollux.exitCode(for: error) == .validationFailure:
            (status, message, parserError) = (.usage, nil, error)
        default:
            (status, message) = (.bug, "Internal error: \(error). Please report it.")
        }
        self.parserError = parserError
    }

    /// Prints the message and ends the program.
    func leave() -> Never {
        if let parserError { Pollux.exit(withError: parserError) }
        // A log reader that blocks must not prevent the daemon from ending.
        if let message { StandardError.write("pollux: \(message)\n", within: .seconds(5)) }
        Pollux.exit(withError: ExitCode(status.rawValue))
    }

    /// A daemon that cannot start exits 69, like a client that finds none.
    private static func status(of error: DaemonError) -> ExitStatus {
        switch error {
        case .badSetting: .usage
        case .alreadyRunning, .unusablePath, .store: .noDaemon
        case .broken: .bug
        }
    }

    private static func status(of error: LocalAPIClientError) -> ExitStatus {
        switch error {
        case .noDaemon, .interrupted: .noDaemon
        case .unreadable, .cancelled: .bug
        case .problem(let problem) where problem.code == "unknown_endpoint": .notFound
        // A missing route is one of another version.
        case .problem(let problem) where problem.status == 404 && problem.code != ProblemCode.noSuchRoute: .notFound
        case .problem(let problem) where problem.status == 503 || problem.status == 507: .noDaemon
        case .problem(let problem) where problem.status >= 500: .bug
        case .problem: .refused
        }
    }

    private static func message(of error: LocalAPIClientError) -> String {
        switch error {
        case .noDaemon:
            error.message
                + """

                  Start one:            pollux serve
                  Or name its socket:   --socket PATH, or POLLUX_SOCKET
                """
        case .interrupted:
            error.message + " The request may or may not have been carried out. Check with `pollux list`."
        case .unreadable:
            error.message + " Check that the socket belongs to a Pollux daemon of this version."
        case .cancelled:
            error.message
        case .problem(let problem):
            error.message.printable + extra(of: problem)
        }
    }

    private static func extra(of problem: ProblemDocument) -> String {
        var lines = ""
        let nearest = words(problem.members["nearest"]).filter { !problem.detail.contains($0) }
        if !nearest.isEmpty { lines += "\n  Did you mean:  \(nearest.joined(separator: ", ").printable)" }
        if let existing = problem.members["existing_id"]?.string {
            lines += "\n  Existing task: pollux show \(existing.printable)"
        }
        let candidates = words(problem.members["candidates"])
        if !candidates.isEmpty { lines += "\n  Candidates:" }
        for candidate in candidates { lines += "\n    \(candidate.printable)" }
        return lines
    }

    /// One word or several.
    private static func words(_ value: JSONValue?) -> [String] {
        value?.string.map { [$0] } ?? value?.array?.compactMap(\.string) ?? []
    }
}
