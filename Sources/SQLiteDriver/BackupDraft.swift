import FoundationEssentials
import TaskStore
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The temporary file of a backup. It gets its final name once it is complete and on disk.
///
/// Its name is the same for every backup of a database into a directory, so the next one removes the file of a killed
/// one. The name contains the machine and the path, so two daemons can write into one directory.
struct BackupDraft {
    let path: String
    private let directory: String

    init(of database: String, in directory: String) {
        self.directory = directory
        var host = [CChar](repeating: 0, count: 256)
        _ = gethostname(&host, host.count - 1)
        // FNV-1a (https://datatracker.ietf.org/doc/html/draft-eastlake-fnv) gives the same value on every start, unlike
        // `Hasher`.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in host.prefix(while: { $0 != 0 }).map(UInt8.init(bitPattern:)) + [0] + Array(database.utf8) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        path = directory + "/.pollux-backup-" + String(hash, radix: 16)
    }

    /// Creates the file, lets `write` fill it, and moves it to `target`. Returns its size. A failure removes it.
    func become(
        _ target: String, replacing: Bool, write: (String) throws(BackupError) -> Void
    ) throws(BackupError) -> Int64 {
        remove()
        let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure() }
        close(file)
        do throws(BackupError) {
            // Fails before the work starts, not only after it.
            if !replacing, access(target, F_OK) == 0 { throw BackupError.exists(target) }
            try write(path)
            try sync(path)
            let size = DatabaseFile.size(of: path)
            try move(to: target, replacing: replacing)
            try sync(directory)
            return size
        } catch {
            remove()
            throw error
        }
    }

    private func remove() {
        for leftover in [path, path + "-journal"] { unlink(leftover) }
    }

    private func move(to target: String, replacing: Bool) throws(BackupError) {
        if !replacing {
            // Unlike a rename, a link never overwrites.
            if link(path, target) == 0 {
                remove()
                return
            }
            if errno == EEXIST { throw .exists(target) }
            // Some file systems have no links.
            if access(target, F_OK) == 0 { throw .exists(target) }
        }
        guard rename(path, target) == 0 else { throw failure() }
    }

    private func sync(_ name: String) throws(BackupError) {
        let file = open(name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure() }
        defer { close(file) }
        // EINVAL: the file system cannot sync a directory.
        guard fsync(file) == 0 || errno == EINVAL else { throw failure() }
    }

    /// The error for the latest `errno`.
    private func failure() -> BackupError {
        switch errno {
        case ENOSPC, EDQUOT: .noSpace(directory)
        case EIO: .failed(String(cString: strerror(errno)))
        default: .unusableDirectory(directory, reason: String(cString: strerror(errno)))
        }
    }
}
