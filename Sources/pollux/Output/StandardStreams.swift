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

    /// Sends on what `print` has kept back, for those who read along.
    static func flush() { fflush(nil) }
}

/// Where words about the work go; if nobody listens, nothing is lost.
enum StandardError {
    static func write(_ text: String) {
        _ = writeAll(text, to: STDERR_FILENO)
    }
}

/// Writes past short writes and signals; false if the other end is closed. A write to a closed pipe must not kill us.
private func writeAll(_ text: String, to descriptor: CInt) -> Bool {
    signal(SIGPIPE, SIG_IGN)
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
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
