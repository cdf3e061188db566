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
/// `flock` instead of a file's existence: a killed daemon leaves the file behind, but never the lock. A lock file can be
/// deleted under its holder, and the next daemon would lock another one; so where a directory belongs to one daemon, it is
/// locked as well. The file alone is what versions before this one look at.
final class InstanceLock: Sendable {
    private let descriptor: Int32
    /// Of the directory; -1 where it is not locked.
    private let directory: Int32

    /// Takes the lock, or says who has it; with `withDirectory` that of the file's directory too. `socket` is noted for clients
    /// that look for the daemon of a state directory.
    init(
        path: String, withDirectory: Bool = false, of what: String, socket: String? = nil
    ) throws(DaemonError) {
        let directory = withDirectory ? try Self.lockDirectory(of: path, for: what) : -1
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            if directory >= 0 { close(directory) }
            throw .noPlace("The lock \(path) cannot be made: \(reason).")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(of: descriptor)
            close(descriptor)
            if directory >= 0 { close(directory) }
            throw Self.taken(by: holder, what)
        }
        self.descriptor = descriptor
        self.directory = directory
        // For people, for clients, and for the message above; the lock itself does not need it.
        let text = Array(LockNote(pid: getpid(), socket: socket).text.utf8)
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit {
        close(descriptor)
        if directory >= 0 { close(directory) }
    }

    private static func taken(by holder: Int32?, _ what: String) -> DaemonError {
        .alreadyRunning(
            "Another pollux\(holder.map { " (pid \($0))" } ?? "") already serves \(what). Stop it first, or choose another place with --state-dir and --socket."
        )
    }

    /// Locks the directory in which that file is; -1 on a file system that locks no directories, as NFS.
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

    /// Who has locked the directory, as Linux tells: `1: FLOCK  ADVISORY  WRITE 4711 fd:01:131 0 EOF`
    /// (https://man7.org/linux/man-pages/man5/proc_locks.5.html). The lock file may be gone.
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
