import TaskStore
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Checks whether the paths of the database and its log still name the files that were opened.
///
/// A file that was deleted or replaced while it is open accepts every write without an error, and no start opens it again
/// (https://sqlite.org/howtocorrupt.html#unlink). The check also covers the state directory, which is part of the paths.
struct OpenedFiles: Sendable {
    private let files: [(path: String, identity: FileIdentity?)]

    /// Records the files that SQLite has just opened.
    init(of database: String) {
        files = [database, database + "-wal"].map { ($0, FileIdentity(of: $0)) }
    }

    /// Throws ``TaskStoreError/replaced(_:)`` if a path now names another file or none. Two system calls of about 1 µs.
    func check() throws(TaskStoreError) {
        for (path, identity) in files where FileIdentity(of: path) != identity { throw .replaced(files[0].path) }
    }
}

/// The identity of a file, independent of its name.
private struct FileIdentity: Hashable {
    let device: UInt64
    let inode: UInt64

    /// Nil if there is no such file.
    init?(of path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
    }
}
