#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Who read our output has gone; thrown to stop a command that has more to print.
struct ClosedPipe: Error {}

/// Where results go.
enum StandardOutput {
    static func write(_ text: String) throws {
        guard writeAll(text, to: STDOUT_FILENO) else { throw ClosedPipe() }
    }
}

/// Where words about the work go; if nobody listens, nothing is lost.
enum StandardError {
    /// `limit` bounds how long somebody may take to read it.
    static func write(_ text: String, within limit: Duration? = nil) {
        _ = writeAll(text, to: STDERR_FILENO, until: limit.map { ContinuousClock.now + $0 })
    }
}

/// Writes past short writes and signals; false if the other end is closed. A write to a closed pipe must not kill us.
private func writeAll(_ text: String, to descriptor: CInt, until end: ContinuousClock.Instant? = nil) -> Bool {
    signal(SIGPIPE, SIG_IGN)
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        if let end {
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let left = max(.zero, ContinuousClock.now.duration(to: end))
            let milliseconds = left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000
            guard poll(&ready, 1, CInt(clamping: milliseconds)) > 0 else { return false }
        }
        // POSIX promises that a ready pipe takes so much (PIPE_BUF is 512 at least) without blocking.
        let most = end == nil ? rest.count : 512
        let count = rest.prefix(most).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = poll(&ready, 1, -1)
        } else if errno != EINTR {
            return false
        }
    }
    return true
}
