import Glibc
import NIOCore
import RateLimiting
import Synchronization
import TaskEngine
import TaskModel

/// Limits connections and requests per client address, and the memory of all bodies together.
final class ClientLimiter: Sendable {
    /// The key under which a connection was counted, for ``close(_:)``.
    enum Ticket: Sendable, Hashable {
        case uncounted
        /// Not always its own address: if there are too many addresses, the rest share one count.
        case counted(String)
    }

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

    /// Counts a connection; nil if its address has too many.
    func open(_ address: SocketAddress?) -> Ticket? {
        guard let network = network(of: address) else { return .uncounted }
        let now = now
        return state.withLock { state in
            let key = key(for: network, in: &state, at: now)
            var entry = entry(key, in: state, at: now)
            guard entry.connections < limits.connectionsPerAddress else { return nil }
            entry.connections += 1
            state.entries[key] = entry
            return .counted(key)
        }
    }

    /// Ends the count of a connection.
    func close(_ ticket: Ticket) {
        guard case .counted(let key) = ticket else { return }
        state.withLock { $0.entries[key]?.connections -= 1 }
    }

    /// Counts a request; false if its address exceeds its rate.
    func admit(_ address: SocketAddress?) -> Bool {
        guard let network = network(of: address) else { return true }
        let now = now
        return state.withLock { state in
            let key = key(for: network, in: &state, at: now)
            var entry = entry(key, in: state, at: now)
            defer { state.entries[key] = entry }
            return entry.bucket.take(at: now)
        }
    }

    /// Reserves memory for a part of a body; false if there is none left.
    func reserve(_ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.bytes + bytes <= limits.maxBytesAtOnce else { return false }
            state.bytes += bytes
            return true
        }
    }

    /// Releases memory.
    func release(_ bytes: Int) { state.withLock { $0.bytes -= bytes } }

    private var now: Timestamp { Timestamp(milliseconds: time.elapsed().wholeMilliseconds) }

    /// The network of the address; nil if it is not counted.
    private func network(of address: SocketAddress?) -> String? {
        guard let address, let network = address.network else { return limits.exemptsThisMachine ? nil : "" }
        return limits.exemptsThisMachine && address.isThisMachine ? nil : network
    }

    /// The key under which the network is counted: its own, or a shared one if there are too many.
    private func key(for network: String, in state: inout State, at now: Timestamp) -> String {
        guard state.entries[network] == nil, state.entries.count >= limits.addresses else { return network }
        // Forget networks without a connection and with a full bucket.
        state.entries = state.entries.filter { _, entry in
            var bucket = entry.bucket
            return entry.connections > 0 || bucket.available(at: now) < Int(bucket.capacity)
        }
        return state.entries.count >= limits.addresses ? "" : network
    }

    private func entry(_ key: String, in state: State, at now: Timestamp) -> Entry {
        state.entries[key]
            ?? Entry(bucket: TokenBucket(rate: limits.requestsPerSecond, capacity: limits.burst, at: now))
    }
}

extension SocketAddress {
    /// Whether it is a loopback address.
    fileprivate var isThisMachine: Bool {
        ipAddress.map { $0 == "::1" || $0.hasPrefix("127.") || $0.hasPrefix("::ffff:127.") } ?? true
    }

    /// The IPv4 address, or the first half of an IPv6 address; nil for any other address. An IPv6 subscriber has at
    /// least a /64 (RFC 6177) and could use another address for each request.
    fileprivate var network: String? {
        guard case .v6 = self, let text = ipAddress, !text.hasPrefix("::ffff:") else { return ipAddress }
        var bytes = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &bytes) == 1 else { return text }
        return bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":") + "/64"
    }
}
