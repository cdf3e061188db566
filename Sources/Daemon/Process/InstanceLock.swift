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

    /// Takes the lock, or says who has it.
    init(path: String, of what: String) throws(DaemonError) {
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
        // For people and for the message above; the lock itself does not need it.
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit { close(descriptor) }

    private static func holder(of descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes[..<count], as: UTF8.self).filter(\.isNumber))
    }
}
