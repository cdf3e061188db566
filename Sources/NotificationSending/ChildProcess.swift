import SpawnSettings

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// ChildProcess is a program in a process group of which it is the leader, with pipes to its input and from its output.
///
/// The group exists until ``status()`` has returned the end, so a signal never reaches another group.
final class ChildProcess {
    enum Status {
        case exited(Int32)
        case signalled(Int32)
    }

    struct Failure: Error {
        let code: Int32
    }

    private let pid: pid_t
    /// The parent's ends of the pipes; -1 once they are closed.
    private var input: Int32
    private var output: Int32

    /// Starts the program at the path that the first argument is.
    init(_ arguments: [String], environment: [String: String]) throws(Failure) {
        let (toChild, fromChild) = try Self.pipes()
        do throws(Failure) {
            pid = try Self.spawn(arguments, environment, input: toChild.read, output: fromChild.write)
        } catch {
            Self.close([toChild.read, toChild.write, fromChild.read, fromChild.write])
            throw error
        }
        (input, output) = (toChild.write, fromChild.read)
        Self.close([toChild.read, fromChild.write])
        for descriptor in [input, output] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
    }

    private typealias Ends = (read: Int32, write: Int32)

    private static func pipes() throws(Failure) -> (Ends, Ends) {
        let first = try pipe()
        do throws(Failure) { return (first, try pipe()) } catch {
            close([first.read, first.write])
            throw error
        }
    }

    private static func pipe() throws(Failure) -> Ends {
        var ends: [Int32] = [-1, -1]
        #if canImport(Darwin)
            let result = Darwin.pipe(&ends)
        #elseif canImport(Glibc)
            let result = Glibc.pipe(&ends)
        #else
            let result = Musl.pipe(&ends)
        #endif
        guard result == 0 else { throw Failure(code: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func spawn(
        _ arguments: [String], _ environment: [String: String], input: Int32, output: Int32
    ) throws(Failure) -> pid_t {
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
            var attributes: posix_spawnattr_t?
        #else
            var actions = posix_spawn_file_actions_t()
            var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        // The database and the sockets of the daemon are not the program's.
        pollux_close_descriptors(&actions, 3)
        // The daemon ignores some signals, which a program would inherit.
        var (usual, none) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigemptyset(&usual)
        for signal in [SIGPIPE, SIGHUP, SIGXFSZ, SIGTERM, SIGINT] { sigaddset(&usual, signal) }
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        var flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        #if canImport(Darwin)
            flags |= POSIX_SPAWN_CLOEXEC_DEFAULT
        #endif
        posix_spawnattr_setflags(&attributes, Int16(flags))
        let texts = arguments.map { strdup($0) } + [nil]
        let variables = environment.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in texts + variables { free(text) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, arguments.first ?? "", &actions, &attributes, texts, variables)
        guard code == 0 else { throw Failure(code: code) }
        return pid
    }

    /// How it has ended; nil if it runs.
    func status() -> Status? {
        var status: Int32 = 0
        let ended = waitpid(pid, &status, WNOHANG)
        // Something else has waited for it, as the system does for a process that ignores SIGCHLD.
        if ended < 0, errno != EINTR { return .exited(-1) }
        guard ended == pid else { return nil }
        let signal = status & 0x7f
        return signal == 0 ? .exited(status >> 8 & 0xff) : .signalled(signal)
    }

    func signalGroup(_ signal: Int32) { kill(-pid, signal) }

    /// Waits until there is output, or room for input, or for a moment.
    func wait(hasInput: Bool) {
        // Without pipes there is only its end to wait for, which nothing tells.
        let hasPipe = output >= 0 || hasInput && input >= 0
        var polled = [
            pollfd(fd: output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: hasInput ? input : -1, events: Int16(POLLOUT), revents: 0),
        ]
        _ = poll(&polled, 2, hasPipe ? 100 : 10)
    }

    /// Writes what the pipe takes of the input, and closes the pipe after the last byte.
    func write(_ rest: inout ArraySlice<UInt8>) {
        guard input >= 0 else { return }
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send($0.baseAddress, $0.count) }
            guard count > 0 else {
                // A program that reads no input is no failure.
                if errno != EAGAIN, errno != EINTR { rest = [] }
                break
            }
            rest = rest.dropFirst(count)
        }
        if rest.isEmpty { closeInput() }
    }

    private func send(_ start: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Darwin)
            Darwin.write(input, start, count)
        #elseif canImport(Glibc)
            Glibc.write(input, start, count)
        #else
            Musl.write(input, start, count)
        #endif
    }

    /// Reads what there is of the output.
    func read(into text: inout [UInt8], keeping most: Int) {
        guard output >= 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        // A few at a time, so that endless output does not keep the caller from its clock.
        for _ in 1...16 {
            let count = receive(&buffer)
            guard count > 0 else {
                if count == 0 {
                    Self.close([output])
                    output = -1
                }
                return
            }
            text = Array((text + buffer[..<count]).suffix(most))
        }
    }

    private func receive(_ buffer: inout [UInt8]) -> Int {
        #if canImport(Darwin)
            Darwin.read(output, &buffer, buffer.count)
        #elseif canImport(Glibc)
            Glibc.read(output, &buffer, buffer.count)
        #else
            Musl.read(output, &buffer, buffer.count)
        #endif
    }

    private func closeInput() {
        Self.close([input])
        input = -1
    }

    /// Closes the pipes.
    func close() {
        closeInput()
        Self.close([output])
        output = -1
    }

    private static func close(_ descriptors: [Int32]) {
        for descriptor in descriptors where descriptor >= 0 {
            #if canImport(Darwin)
                Darwin.close(descriptor)
            #elseif canImport(Glibc)
                Glibc.close(descriptor)
            #else
                Musl.close(descriptor)
            #endif
        }
    }
}
