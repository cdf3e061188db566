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
/// daemon, and its lock still prevents a second one. So this checks the file every few seconds. If it is missing or
/// replaced, the server ends with its requests in flight, and a new one opens the socket again. Tracking continues meanwhile.
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

    func run() async throws {
        guard !isInherited else { return try await serveInherited() }
        try await withThrowingTaskGroup { servers in
            while true {
                let lock = try prepare()
                let isLost = await serve(in: &servers)
                // The old lock is released first, because the new one may lock the same file.
                withExtendedLifetime(lock) {}
                guard isLost else { break }
                logger.warning(
                    "The socket \(path) was deleted or replaced. It is created again. Tasks continued meanwhile.")
            }
            try await servers.waitForAll()
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

    /// Serves until the server ends, or until its socket is lost. Then it still answers its requests in flight.
    private func serve(in servers: inout ThrowingTaskGroup<Void, any Error>) async -> Bool {
        let (ends, end) = AsyncStream.makeStream(of: Bool.self)
        servers.addTask {
            defer { end.yield(false) }
            let file = OpenedFile()
            let service = server { file.note(Self.inode(of: path)) }
            let group = ServiceGroup(
                configuration: .init(
                    services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
                    logger: Logger(label: "pollux.socket") { _ in SwiftLogNoOpLogHandler() }))
            try await withThrowingTaskGroup { tasks in
                tasks.addTask {
                    await time.repeatEachCheck { file.isUnknown || file.isThere(Self.inode(of: path)) }
                    guard !Task.isCancelled else { return }
                    end.yield(true)
                    await group.triggerGracefulShutdown()
                }
                try await withGracefulShutdownHandler {
                    try await group.run()
                } onGracefulShutdown: {
                    Task { await group.triggerGracefulShutdown() }
                }
                tasks.cancelAll()
            }
        }
        for await isLost in ends { return isLost }
        return false
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
