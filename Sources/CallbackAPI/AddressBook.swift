import NIOCore
import PollingPolicy
import Synchronization
import TaskEngine
import TaskModel

/// How much each address asks of the listener, so that none takes everybody's share.
final class AddressBook: Sendable {
    private struct Entry {
        var connections = 0
        var bucket: TokenBucket
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var bytes = 0
    }

    private let state = Mutex(State())
    private let limits: CallbackLimits
    private let time: any TimeSource

    init(limits: CallbackLimits, time: any TimeSource) {
        self.limits = limits
        self.time = time
    }

    /// Counts a connection; false where the address has too many.
    func open(_ address: SocketAddress?) -> Bool {
        change(address) { entry in
            guard entry.connections < limits.connectionsPerAddress else { return false }
            entry.connections += 1
            return true
        }
    }

    /// A connection that was counted is over.
    func close(_ address: SocketAddress?) {
        _ = change(address) { entry in
            entry.connections -= 1
            return true
        }
    }

    /// Takes the place of one request; false where the address has asked too often.
    func admit(_ address: SocketAddress?) -> Bool {
        let now = now
        return change(address) { $0.bucket.take(at: now) }
    }

    /// Sets memory aside for a part of a body; false where there is none left.
    func reserve(_ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.bytes + bytes <= limits.maxBytesAtOnce else { return false }
            state.bytes += bytes
            return true
        }
    }

    /// Gives memory back.
    func release(_ bytes: Int) { state.withLock { $0.bytes -= bytes } }

    private var now: Timestamp { Timestamp(milliseconds: time.elapsed().wholeMilliseconds) }

    private func change(_ address: SocketAddress?, _ body: (inout Entry) -> Bool) -> Bool {
        if limits.exemptsThisMachine, address?.isThisMachine ?? true { return true }
        let now = now
        return state.withLock { state in
            var key = address?.ipAddress ?? ""
            if state.entries[key] == nil, state.entries.count >= limits.addresses {
                // Who has no connection and could ask as often as ever need not be remembered.
                state.entries = state.entries.filter { _, entry in
                    var bucket = entry.bucket
                    return entry.connections > 0 || bucket.available(at: now) < Int(bucket.capacity)
                }
                if state.entries.count >= limits.addresses { key = "" }
            }
            var entry =
                state.entries[key]
                ?? Entry(
                    bucket: TokenBucket(rate: limits.requestsPerSecond, capacity: limits.burst, at: now))
            defer { state.entries[key] = entry }
            return body(&entry)
        }
    }
}

extension SocketAddress {
    /// Whether it is a loopback address, or no address of a network at all.
    fileprivate var isThisMachine: Bool {
        guard let text = ipAddress else { return true }
        return text == "::1" || text.hasPrefix("127.") || text.hasPrefix("::ffff:127.")
    }
}
