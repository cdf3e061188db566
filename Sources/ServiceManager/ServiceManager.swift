#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// ServiceManager reports the state of the daemon to the service manager that started it, such as systemd.
///
/// It does nothing if none waits for reports. A report that cannot be sent is lost, because the daemon works without its
/// reader. Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
package struct ServiceManager: Sendable {
    package enum Report: Sendable, Hashable {
        /// The daemon accepts work, after a start or a reload.
        case ready
        /// The settings are being read again.
        case reloading
        case stopping
        /// What the daemon does, for people.
        case status(String)
        /// The daemon makes progress.
        case alive
    }

    /// The variables that are meant for one process. Programs that the daemon starts must not get them.
    package static let variables: Set<String> = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    ]

    /// The service manager ends the daemon after this time without ``Report/alive``; nil if it never does.
    package let watchdogInterval: Duration?
    /// A path, or an abstract name after an `@`; nil if nobody waits for reports.
    private let socketName: String?

    package init(environment: [String: String], pid: Int32 = getpid()) {
        socketName = environment["NOTIFY_SOCKET"].flatMap { name in
            name.hasPrefix("/") || name.hasPrefix("@") ? name : nil
        }
        let isForUs = environment["WATCHDOG_PID"].map { Int32($0) == pid } ?? true
        watchdogInterval =
            isForUs && socketName != nil
            ? environment["WATCHDOG_USEC"].flatMap { Int64($0) }.flatMap { $0 > 0 ? .microseconds($0) : nil } : nil
    }

    /// Sends the reports as one message. Only ``Report/alive`` does not wait for a reader that is behind.
    package func send(_ reports: Report...) {
        guard let socketName, var address = Self.address(socketName) else { return }
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let text = Array(reports.map(\.text).joined(separator: "\n").utf8)
        let flags = reports == [.alive] ? Int32(MSG_DONTWAIT) : 0
        withUnsafePointer(to: &address.value) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, text, text.count, flags, $0, address.length)
            }
        }
    }

    private static func address(_ name: String) -> (value: sockaddr_un, length: socklen_t)? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        // The last byte of a path is zero, and so is the first one of an abstract name.
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        if name.hasPrefix("@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let start = MemoryLayout.offset(of: \sockaddr_un.sun_path) ?? 2
        return (address, socklen_t(start + bytes.count))
    }
}

extension ServiceManager.Report {
    fileprivate var text: String {
        switch self {
        case .ready: "READY=1"
        case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds)"
        case .stopping: "STOPPING=1"
        case .status(let text): "STATUS=" + text.replacing("\n", with: " ")
        case .alive: "WATCHDOG=1"
        }
    }

    /// The clock by which systemd knows which reload a message belongs to.
    private static var monotonicMicroseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
