import FoundationEssentials
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// An exclusive lock on a state directory or socket. The system releases it when the process ends.
///
/// Uses `flock`, because a killed daemon leaves the file behind but not the lock. If a user deletes the lock file of a
/// running daemon, the next daemon would lock a new file. So the state directory is locked as well. Older versions
/// check only the file.
final class InstanceLock: Sendable {
    private let descriptor: Int32
    /// The descriptor of the locked directory; -1 if it is not locked.
    private let directory: Int32

    /// Acquires the lock or reports its holder. `withDirectory` also locks the file's directory.
    ///
    /// The lock file contains `socket`, so that clients can find the daemon of a state directory.
    init(
        path: String, withDirectory: Bool = false, of what: String, socket: String? = nil
    ) throws(DaemonError) {
        let directory = withDirectory ? try Self.lockDirectory(of: path, for: what) : -1
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            if directory >= 0 { close(directory) }
            throw .unusablePath("The lock \(path) cannot be created: \(reason).")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(of: descriptor)
            close(descriptor)
            if directory >= 0 { close(directory) }
            throw Self.taken(by: holder, what)
        }
        self.descriptor = descriptor
        self.directory = directory
        // For people, clients and the error message. The lock does not depend on it.
        let text = Array(LockNote(pid: getpid(), socket: socket).text.utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    /// Whether a process has the lock. Nothing is written.
    static func isHeld(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    deinit {
        close(descriptor)
        if directory >= 0 { close(directory) }
    }

    private static func taken(by holder: Int32?, _ what: String) -> DaemonError {
        .alreadyRunning(
            "Another pollux\(holder.map { " (pid \($0))" } ?? "") already serves \(what). Stop it first, or choose other paths with --state-dir and --socket."
        )
    }

    /// Locks the directory of the file. Returns -1 if the file system cannot lock directories, as NFS.
    private static func lockDirectory(of path: String, for what: String) throws(DaemonError) -> Int32 {
        let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return -1 }
        guard flock(directory, LOCK_EX | LOCK_NB) != 0 else { return directory }
        let isTaken = errno == EWOULDBLOCK
        let holder = holder(ofFile: path) ?? holder(ofDirectory: directory)
        close(directory)
        guard !isTaken else { throw taken(by: holder, what) }
        return -1
    }

    /// The pid that locked the directory, from a line such as `1: FLOCK  ADVISORY  WRITE 4711 fd:01:131 0 EOF` in
    /// `/proc/locks` (https://man7.org/linux/man-pages/man5/proc_locks.5.html). The lock file may be missing.
    private static func holder(ofDirectory directory: Int32) -> Int32? {
        var info = stat()
        guard fstat(directory, &info) == 0, let bytes = FileManager.default.contents(atPath: "/proc/locks") else {
            return nil
        }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 5, words[1] == "FLOCK", words[5].hasSuffix(":\(info.st_ino)"),
                let holder = Int32(words[4]), holder > 0
            else { continue }
            return holder
        }
        return nil
    }

    private static func holder(ofFile path: String) -> Int32? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return holder(of: descriptor)
    }

    private static func holder(of descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return LockNote(String(decoding: bytes[..<count], as: UTF8.self))?.pid
    }
}
