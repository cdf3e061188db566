import Logging
import ServiceLifecycle
import Synchronization
import TaskEngine

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Keeps the socket at its path.
///
/// Cleaners of temporary directories, and people, delete the sockets of running daemons. Clients then cannot reach the
/// daemon, and its lock still prevents a second one. So this checks the file every other second. If it is missing or
/// replaced, the server ends and a new one opens the socket again. Tracking continues meanwhile.
struct SocketSupervisor: Service {
    let path: String
    /// Whether a service manager opened the socket, so that only it can create the file again.
    var isInherited = false
    let time: any TimeSource
    let logger: Logger
    /// Prepares the directory of the socket and the lock beside it. It may run again.
    let prepare: @Sendable () throws(DaemonError) -> InstanceLock
    /// Creates a server that reports when it accepts connections.
    let server: @Sendable (_ onRunning: @escaping @Sendable () async -> Void) -> any Service

    private enum End { case stopped, lost }

    func run() async throws {
        guard !isInherited else { return try await serveInherited() }
        while true {
            let lock = try prepare()
            let end = try await serveUntilLost()
            // The old lock is released first, because the new one may lock the same file.
            withExtendedLifetime(lock) {}
            guard case .lost = end else { return }
            logger.warning(
                "The socket \(path) was deleted or replaced. It is created again. Tasks continued meanwhile.")
        }
    }

    private func serveInherited() async throws {
        async let _ = reportLoss()
        try await server {}.run()
    }

    private func reportLoss() async {
        let inode = Self.inode(of: path)
        await time.repeatEachCheck { inode == Self.inode(of: path) }
        guard !Task.isCancelled else { return }
        logger.error(
            "The socket \(path) was deleted or replaced, so no program reaches the daemon there. The service manager opened it: restart its socket unit (systemctl restart pollux.socket). Tasks continue meanwhile."
        )
    }

    private func serveUntilLost() async throws -> End {
        let file = OpenedFile()
        return try await withThrowingTaskGroup(of: End.self) { group in
            group.addTask {
                try await server { file.note(Self.inode(of: path)) }.run()
                return .stopped
            }
            group.addTask {
                await time.repeatEachCheck { file.isUnknown || file.isThere(Self.inode(of: path)) }
                try Task.checkCancellation()
                return .lost
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .stopped
        }
    }

    /// The identity of a file while it exists; nil if there is none.
    private static func inode(of path: String) -> UInt64? {
        var info = stat()
        return lstat(path, &info) == 0 ? UInt64(info.st_ino) : nil
    }

    /// The file that the server created.
    private final class OpenedFile: Sendable {
        private let inode = Mutex<UInt64?>(nil)

        var isUnknown: Bool { inode.withLock { $0 == nil } }
        func note(_ found: UInt64?) { inode.withLock { $0 = found } }
        func isThere(_ found: UInt64?) -> Bool { inode.withLock { $0 == found } }
    }
}
