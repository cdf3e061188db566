#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The identity and the times of a file, which show whether it has changed.
struct FileStamp: Sendable, Hashable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let modified: Int64
    private let changed: Int64

    /// Nil if there is no such file. Symbolic links are followed: some tools rotate a token by a link.
    init?(of path: String) {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        func nanoseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) }
        device = UInt64(facts.st_dev)
        inode = UInt64(facts.st_ino)
        size = Int64(facts.st_size)
        #if canImport(Darwin)
            (modified, changed) = (nanoseconds(facts.st_mtimespec), nanoseconds(facts.st_ctimespec))
        #else
            (modified, changed) = (nanoseconds(facts.st_mtim), nanoseconds(facts.st_ctim))
        #endif
    }
}
