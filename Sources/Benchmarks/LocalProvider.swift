import Foundation
import Glibc
import Synchronization

/// A server on a port of this machine. As a provider it reports every task as running, without delay.
final class LocalProvider: Sendable {
    let port: UInt16
    private let listener: Int32
    private let state = Mutex(State())
    private let reply: Reply

    /// The reply to a body, and how many tasks that was about.
    typealias Reply = @Sendable ([UInt8]) -> (body: [UInt8], asked: Int)

    private struct State {
        var queries = 0
        var tasks = 0
        var isStopped = false
    }

    init(_ reply: @escaping Reply = { InstantProvider.answer(to: $0) }) throws {
        self.reply = reply
        (listener, port) = try RawSocket.listener()
        Thread { [self] in serve() }.start()
    }

    /// The numbers of queries and of tasks in them.
    var counts: (queries: Int, tasks: Int) { state.withLock { ($0.queries, $0.tasks) } }

    /// Whether this many tasks were polled within that time.
    func wait(untilAskedAbout tasks: Int, within seconds: Int) -> Bool {
        let end = Clock.nanoseconds + UInt64(seconds) * 1_000_000_000
        while Clock.nanoseconds < end {
            if counts.tasks >= tasks { return true }
            usleep(50_000)
        }
        return false
    }

    func stop() { state.withLock { $0.isStopped = true } }

    private func serve() {
        var open: [Int32: [UInt8]] = [:]
        defer { for fd in [listener] + open.keys { close(fd) } }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !state.withLock({ $0.isStopped }) {
            var watched = ([listener] + open.keys).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&watched, nfds_t(watched.count), 200) > 0 else { continue }
            for fd in watched.lazy.filter({ $0.revents != 0 }).map(\.fd) {
                guard fd != listener else {
                    open[accept(listener, nil, nil)] = []
                    continue
                }
                let size = read(fd, &buffer, buffer.count)
                guard size > 0 else {
                    close(fd)
                    open[fd] = nil
                    continue
                }
                open[fd, default: []] += buffer[..<size]
                answer(&open[fd, default: []], on: fd)
            }
        }
    }

    /// Replies to the requests that have arrived completely.
    private func answer(_ bytes: inout [UInt8], on fd: Int32) {
        while let head = HTTPText.endOfHead(bytes) {
            let end = head + (HTTPText.contentLength(bytes[..<head]) ?? 0)
            guard bytes.count >= end else { return }
            let (body, asked) = reply(Array(bytes[head..<end]))
            bytes.removeFirst(end)
            state.withLock { state in
                state.queries += 1
                state.tasks += asked
            }
            let response = HTTPText.response(body)
            _ = response.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        }
    }
}
