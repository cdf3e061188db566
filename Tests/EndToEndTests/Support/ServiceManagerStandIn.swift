import Foundation
import Glibc
import Synchronization

/// A stand-in for systemd. It opens listening sockets for the daemon, receives its reports, and ends it if it is silent for
/// too long.
final class ServiceManagerStandIn: Sendable {
    private struct ListeningSocket: Sendable {
        let name: String
        let descriptor: Int32
    }

    /// NOTIFY_SOCKET.
    private let address: String
    private let descriptor: Int32
    /// The seconds after which a silent daemon gets SIGKILL; nil for never.
    private let watchdog: Int?
    private let sockets = Mutex([ListeningSocket]())
    private let pid = Mutex(pid_t?.none)
    private let reports = Watched([String]())
    private let isOver = Mutex(false)

    /// Receives reports at a path in the directory, or at an abstract name.
    init(in directory: String, isAbstract: Bool = false, watchdog: Int? = nil) throws {
        let path = directory + "/notify"
        address = isAbstract ? "@" + path : path
        self.watchdog = watchdog
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try Self.bind(descriptor, to: (isAbstract ? [0] : []) + Array(path.utf8))
        Thread.detachNewThread { [self] in receive() }
    }

    /// Ends the thread that receives. The sockets stay open until the test process ends.
    func finish() { isOver.withLock { $0 = true } }

    private static func bind(_ descriptor: Int32, to path: [UInt8]) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = socklen_t(2 + path.count)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, length) }
        }
        guard result == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }

    // MARK: Sockets

    /// Opens a socket at a path, as a socket unit does.
    func listen(at path: String, as name: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let opened = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try Self.bind(opened, to: Array(path.utf8))
        chmod(path, 0o660)
        Glibc.listen(opened, 64)
        sockets.withLock { $0.append(ListeningSocket(name: name, descriptor: opened)) }
    }

    /// Opens a socket at a free port of the loopback address, and returns the port.
    func listen(as name: String) throws -> Int {
        let opened = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isOpen = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(opened, $0, length) == 0 && Glibc.listen(opened, 64) == 0
                    && getsockname(opened, $0, &length) == 0
            }
        }
        guard isOpen else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        sockets.withLock { $0.append(ListeningSocket(name: name, descriptor: opened)) }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    // MARK: The daemon

    /// Starts the daemon, as a service unit does.
    func start(_ arguments: [String], environment: [String: String]) throws -> ChildProcess {
        let sockets = sockets.withLock { $0 }
        var environment = environment
        environment["NOTIFY_SOCKET"] = address
        if let watchdog { environment["WATCHDOG_USEC"] = "\(watchdog * 1_000_000)" }
        if !sockets.isEmpty {
            environment["LISTEN_FDS"] = "\(sockets.count)"
            environment["LISTEN_FDNAMES"] = sockets.map(\.name).joined(separator: ":")
        }
        let process = try ChildProcess(arguments, environment: environment, passing: sockets.map(\.descriptor))
        pid.withLock { $0 = process.pid }
        return process
    }

    /// All lines of all reports so far.
    var lines: [String] { reports.current }

    /// Returns once a line came that often.
    func received(_ line: String, count: Int = 1, within seconds: Double = Double(patience)) async throws {
        do {
            try await reports.wait(for: "\(line), \(count) times", within: seconds) { lines in
                lines.count { $0 == line } >= count ? true : nil
            }
        } catch {
            throw TooLate(description: "\(error); it received:\n\(lines.joined(separator: "\n"))")
        }
    }

    private func receive() {
        // As systemd does, it expects signs of life after the daemon is ready.
        var isArmed = false
        var limit = timeval(tv_sec: watchdog ?? 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var bytes = [UInt8](repeating: 0, count: 4_096)
        while !isOver.withLock({ $0 }) {
            let count = recv(descriptor, &bytes, bytes.count, 0)
            if count > 0 {
                let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
                reports.change { $0 += lines }
                if lines.contains("READY=1") { isArmed = true }
                if lines.contains("STOPPING=1") { isArmed = false }
            } else if isArmed, watchdog != nil, let pid = pid.withLock({ $0 }) {
                isArmed = false
                kill(pid, SIGKILL)
            }
        }
        close(descriptor)
    }
}
