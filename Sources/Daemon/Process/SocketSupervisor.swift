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

/// Keeps the socket where programs look for it.
///
/// Cleaners of temporary directories, and people, delete sockets of living daemons, which clients then cannot reach
/// and still keep a second one from starting. So the file is looked at every other second; if it is gone or another one,
/// the server ends and a new one opens the socket again. Tracking goes on meanwhile.
struct SocketSupervisor: Service {
    let path: String
    let time: any TimeSource
    let logger: Logger
    /// Prepares the place, again if it must: its directory and the lock beside it.
    let prepare: @Sendable () throws(DaemonError) -> InstanceLock
    /// Makes a server that says when it takes connections.
    let server: @Sendable (_ onRunning: @escaping @Sendable () async -> Void) -> any Service

    private enum End { case stopped, lost }

    func run() async throws {
        while true {
            let lock = try prepare()
            let end = try await serveUntilLost()
            // Given up first: it may be the same file that is locked next.
            withExtendedLifetime(lock) {}
            guard case .lost = end else { return }
            logger.warning("The socket \(path) was deleted or replaced; it is made anew. Tasks went on meanwhile.")
        }
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

    /// What stands for a file as long as it exists; nil where there is none.
    private static func inode(of path: String) -> UInt64? {
        var info = stat()
        return lstat(path, &info) == 0 ? UInt64(info.st_ino) : nil
    }

    /// The file that the server made.
    private final class OpenedFile: Sendable {
        private let inode = Mutex<UInt64?>(nil)

        var isUnknown: Bool { inode.withLock { $0 == nil } }
        func note(_ found: UInt64?) { inode.withLock { $0 = found } }
        func isThere(_ found: UInt64?) -> Bool { inode.withLock { $0 == found } }
    }
}
