import ArgumentParser
import Daemon
import VerbatimJSON
import LocalAPIClient
import LocalAPIContract

/// How a command may end; thrown bare, it ends the command without a word.
enum Ending: Int32, Error {
    case done = 0
    /// The task ended without success.
    case unsuccessful = 1
    /// The command line cannot be understood.
    case usage = 64
    /// The input was refused, here or by the daemon.
    case refused = 65
    case noSuchTask = 66
    case noDaemon = 69
    /// A bug of ours.
    case bug = 70
    /// The time to wait is over, the task is not.
    case timedOut = 75
}

/// Input that is refused before the daemon is asked.
struct RefusedInput: Error {
    /// Whole sentences.
    let message: String
}

/// What an error means for who runs the command: an exit code and words.
struct ExitReport {
    let status: Ending
    /// For standard error; nil where nothing is to be said.
    let message: String?
    /// Set where the parser knows better what to print: help, versions, usage.
    private let parserError: (any Error)?

    init(of error: any Error) {
        var parserError: (any Error)?
        switch error {
        case let status as Ending:
            (self.status, message) = (status, nil)
        case is ClosedPipe:
            // `| head` has seen enough.
            (status, message) = (.done, nil)
        case let error as RefusedInput:
            (status, message) = (.refused, error.message)
        case let error as DaemonError:
            (status, message) = (Self.status(of: error), error.message)
        case let error as LocalAPIClientError:
            (status, message) = (Self.status(of: error), Self.message(of: error))
        case _ where Pollux.exitCode(for: error) == .success:
            (status, message, parserError) = (.done, nil, error)
        case _ where Pollux.exitCode(for: error) == .validationFailure:
            (status, message, parserError) = (.usage, nil, error)
        default:
            (status, message) = (.bug, "Something failed that should not: \(error). Please report it.")
        }
        self.parserError = parserError
    }

    /// Says the words and ends the program.
    func leave() -> Never {
        if let parserError { Pollux.exit(withError: parserError) }
        // Nobody may be reading the daemon's log; that must not keep it from ending.
        if let message { StandardError.write("pollux: \(message)\n", within: .seconds(5)) }
        Pollux.exit(withError: ExitCode(status.rawValue))
    }

    /// A daemon that cannot start leaves its clients without one, which is what 69 says.
    private static func status(of error: DaemonError) -> Ending {
        switch error {
        case .badSetting: .usage
        case .alreadyRunning, .unusablePath, .store: .noDaemon
        case .broken: .bug
        }
    }

    private static func status(of error: LocalAPIClientError) -> Ending {
        switch error {
        case .noDaemon, .interrupted: .noDaemon
        case .unreadable, .cancelled: .bug
        case .problem(let problem) where problem.code == ProblemCode.taskNotFound: .noSuchTask
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
            error.message + " What was asked for may or may not have been done: look with `pollux list`."
        case .unreadable:
            error.message + " Is it Pollux that listens there, and of this version?"
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
            lines += "\n  That task:     pollux show \(existing.printable)"
        }
        let candidates = words(problem.members["candidates"])
        if !candidates.isEmpty { lines += "\n  It may be:" }
        for candidate in candidates { lines += "\n    \(candidate.printable)" }
        return lines
    }

    /// One word or several.
    private static func words(_ value: JSONValue?) -> [String] {
        value?.string.map { [$0] } ?? value?.array?.compactMap(\.string) ?? []
    }
}
