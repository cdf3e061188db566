import FoundationEssentials
import Logging
import NIOPosix
package import ProviderCatalog
import Synchronization
import TaskModel
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// LogQueue writes log lines in order on a background thread.
///
/// A stopped terminal or an unread pipe can block a write without limit. This blocks only the log: a full queue drops
/// and counts lines, and reports the count when the log is read again.
package final class LogQueue: Sendable {
    private struct State {
        var lines: [[UInt8]] = []
        /// The size of the queued lines and of those being written.
        var bytes = 0
        var dropped = 0
        /// Whether the thread is writing or about to write.
        var isWriting = false
    }

    private let state = Mutex(State())
    private let descriptor: CInt
    private let maxBytes: Int
    private let format: Current<LogFormat>
    private let thread = NIOThreadPool(numberOfThreads: 1)

    /// 1 MiB holds some 10,000 lines.
    package init(
        format: Current<LogFormat> = Current(always: .text), descriptor: CInt = STDERR_FILENO, maxBytes: Int = 1 << 20
    ) {
        self.format = format
        self.descriptor = descriptor
        self.maxBytes = maxBytes
        thread.start()
    }

    deinit {
        thread.shutdownGracefully { _ in }
    }

    /// Queues a line, or drops it if the queue is full. Never blocks.
    package func put(_ line: LogLine) {
        let line = line.bytes(format.wrappedValue)
        let isFirst = state.withLock { state in
            guard state.bytes + line.count <= maxBytes else {
                state.dropped += 1
                return false
            }
            state.lines.append(line)
            state.bytes += line.count
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if isFirst { thread.submit { [self] _ in drain() } }
    }

    /// Waits until everything is written. Returns false if the limit passes first; the rest is then lost.
    package func flush(within limit: Duration) async -> Bool {
        let end = ContinuousClock.now + limit
        while state.withLock({ $0.isWriting }) {
            guard ContinuousClock.now < end else { return false }
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return false }
        }
        return true
    }

    private func drain() {
        while true {
            let (lines, dropped) = state.withLock { state in
                defer { (state.lines, state.dropped) = ([], 0) }
                state.isWriting = !state.lines.isEmpty || state.dropped > 0
                return (state.lines, state.dropped)
            }
            guard !lines.isEmpty || dropped > 0 else { return }
            if dropped > 0 { write(Self.report(of: dropped).bytes(format.wrappedValue)) }
            for line in lines {
                write(line)
                state.withLock { $0.bytes -= line.count }
            }
        }
    }

    /// The report with its own time, because the times of the dropped lines are lost.
    private static func report(of dropped: Int) -> LogLine {
        let what = dropped == 1 ? "1 log line was" : "\(dropped) log lines were"
        return LogLine(
            at: Timestamp(Date()), .warning, "\(what) dropped because the log was not read. Tasks continued.")
    }

    /// Blocks until the whole line is written. If the log cannot be written, the line is lost.
    private func write(_ line: [UInt8]) {
        var rest = line[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in
                #if canImport(Glibc)
                    Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                #elseif canImport(Musl)
                    Musl.write(descriptor, bytes.baseAddress, bytes.count)
                #else
                    Darwin.write(descriptor, bytes.baseAddress, bytes.count)
                #endif
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // The pipe is non-blocking because another process that shares it made it so.
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&ready, 1, -1)
            } else if errno != EINTR {
                return
            }
        }
    }
}
