import Foundation
import Glibc

/// A child process with its captured output.
final class ChildProcess: Sendable {
    /// How a process ended.
    enum Exit: Sendable, Equatable {
        case code(Int32)
        case signal(Int32)
    }

    /// The binary beside this test bundle.
    static let pollux = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "pollux").path

    let pid: pid_t
    private let output = Watched([UInt8]())
    private let errors = Watched([UInt8]())
    private let openPipes = Watched(2)
    private let end = Watched(Exit?.none)

    /// Starts the process with exactly this environment.
    init(
        _ arguments: [String], of path: String = ChildProcess.pollux, environment: [String: String], input: [UInt8] = []
    ) throws {
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.environment = environment
        let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
        process.standardInput = stdin
        process.standardOutput = stdout
        process.standardError = stderr
        process.terminationHandler = { [end] process in
            let status = process.terminationStatus
            end.change { $0 = process.terminationReason == .exit ? .code(status) : .signal(status) }
        }
        try process.run()
        pid = process.processIdentifier
        pump(stdout, into: output)
        pump(stderr, into: errors)
        Thread.detachNewThread {
            // A child that exits without reading must not end the tests with SIGPIPE.
            signal(SIGPIPE, SIG_IGN)
            try? stdin.fileHandleForWriting.write(contentsOf: input)
            try? stdin.fileHandleForWriting.close()
        }
    }

    /// Starts the process with open sockets from descriptor 3 on, as a service manager does.
    ///
    /// Foundation closes all descriptors of a new process. The shell knows the pid for LISTEN_PID.
    init(
        _ arguments: [String], of path: String = ChildProcess.pollux, environment: [String: String],
        passing sockets: [Int32]
    ) throws {
        let (stdout, stderr) = (Pipe(), Pipe())
        let descriptors =
            [
                open("/dev/null", O_RDONLY), stdout.fileHandleForWriting.fileDescriptor,
                stderr.fileHandleForWriting.fileDescriptor,
            ] + sockets
        // Copies far above, so that no source is overwritten.
        let copies = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 500) }
        defer { for copy in copies + descriptors.prefix(1) { close(copy) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, copy) in copies.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, copy, Int32(number))
        }
        let script = "export LISTEN_PID=$$; exec \"$0\" \"$@\""
        let texts = (["/bin/sh", "-c", script, path] + arguments).map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in texts + variables { free(text) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, "/bin/sh", &actions, nil, texts, variables)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
        self.pid = pid
        for pipe in [stdout, stderr] { try pipe.fileHandleForWriting.close() }
        pump(stdout, into: output)
        pump(stderr, into: errors)
        Thread.detachNewThread { [end, pid] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            end.change { $0 = status & 0x7f == 0 ? .code(status >> 8 & 0xff) : .signal(status & 0x7f) }
        }
    }

    private func pump(_ pipe: Pipe, into text: Watched<[UInt8]>) {
        Thread.detachNewThread { [openPipes] in
            while true {
                let data = pipe.fileHandleForReading.availableData
                guard !data.isEmpty else { break }
                text.change { $0 += data }
            }
            openPipes.change { $0 -= 1 }
        }
    }

    /// The standard output so far.
    var outputText: String { String(decoding: output.current, as: UTF8.self) }
    /// The standard error so far.
    var errorText: String { String(decoding: errors.current, as: UTF8.self) }
    var hasEnded: Bool { end.current != nil }

    /// The first line of standard output.
    func firstLine(within seconds: Double = Double(patience)) async throws -> String {
        try await output.wait(for: "A first line", within: seconds) { bytes in
            bytes.firstIndex(of: UInt8(ascii: "\n")).map { String(decoding: bytes[..<$0], as: UTF8.self) }
        }
    }

    /// Returns once standard output contains the text.
    func printed(_ text: String, within seconds: Double = Double(patience)) async throws {
        let pattern = Array(text.utf8)
        try await output.wait(for: "\"\(text)\" in the output", within: seconds) { bytes in
            bytes.occurrences(of: pattern) > 0 ? true : nil
        }
    }

    /// Returns once standard error contains the text `count` times, or the process has ended.
    func logged(_ text: String, count: Int = 1, within seconds: Double = Double(patience)) async throws {
        let pattern = Array(text.utf8)
        do {
            try await errors.wait(for: "\"\(text)\" in the log", within: seconds) { bytes in
                bytes.occurrences(of: pattern) >= count ? true : nil
            }
        } catch {
            throw TooLate(description: "\(error); the log:\n\(errorText)")
        }
    }

    /// Waits for the process. Returns how it ended and its output.
    func exit(within seconds: Double = Double(patience)) async throws -> Exit {
        do {
            let exit = try await end.wait(for: "The end of process \(pid)", within: seconds) { $0 }
            try await openPipes.wait(for: "The end of its output", within: Double(patience)) { $0 == 0 ? true : nil }
            return exit
        } catch {
            throw TooLate(description: "\(error); the log:\n\(errorText)")
        }
    }

    func send(_ signal: Int32) {
        if !hasEnded { kill(pid, signal) }
    }

    /// Kills the process if it is still running.
    func destroy() async {
        send(SIGKILL)
        _ = try? await end.wait(for: "The end of process \(pid)", within: Double(patience)) { $0 }
    }
}

extension Array<UInt8> {
    /// The number of non-overlapping occurrences of the pattern.
    func occurrences(of pattern: [UInt8]) -> Int {
        guard let first = pattern.first else { return 0 }
        var (found, index) = (0, startIndex)
        while let start = self[index...].firstIndex(of: first) {
            if self[start...].starts(with: pattern) {
                found += 1
                index = start + pattern.count
            } else {
                index = start + 1
            }
        }
        return found
    }
}
