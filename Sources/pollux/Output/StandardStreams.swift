#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Stops a command whose output is no longer read.
struct ClosedPipe: Error {}

/// Writes results.
enum StandardOutput {
    static func write(_ text: String) throws {
        guard writeAll(text, to: STDOUT_FILENO) else { throw ClosedPipe() }
    }
}

/// Writes messages. A failed write is ignored.
enum StandardError {
    /// `limit` bounds the time that a slow reader may take.
    static func write(_ text: String, within limit: Duration? = nil) {
        _ = writeAll(text, to: STDERR_FILENO, until: limit.map { ContinuousClock.now + $0 })
    }
}

/// Writes everything, across short writes and signals; false if the other end is closed.
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
        // A ready pipe takes PIPE_BUF bytes, at least 512, without blocking (POSIX).
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
