import FoundationEssentials
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The right to be the only daemon of a state directory or socket; given up by the system when the process ends, however.
///
/// `flock` instead of a file's existence: a killed daemon leaves the file behind, but never the lock.
final class InstanceLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock, or says who has it. `socket` is noted for clients that look for the daemon of a state directory.
    init(path: String, of what: String, socket: String? = nil) throws(DaemonError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .noPlace("The lock \(path) cannot be made: \(String(cString: strerror(errno))).")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(of: descriptor).map { " (pid \($0))" } ?? ""
            close(descriptor)
            throw .alreadyRunning(
                "Another pollux\(holder) already serves \(what). Stop it first, or choose another place with --state-dir and --socket."
            )
        }
        self.descriptor = descriptor
        // For people, for clients, and for the message above; the lock itself does not need it.
        let text = Array(LockNote(pid: getpid(), socket: socket).text.utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit { close(descriptor) }

    private static func holder(of descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return LockNote(String(decoding: bytes[..<count], as: UTF8.self))?.pid
    }
}
