import FileTimes

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Tells a file from a copy of it at the same path.
///
/// Device numbers change at each boot, and inodes are reused soon. So the time of creation counts too.
package struct FileIdentity: Sendable, Hashable {
    package let inode: UInt64
    /// In nanoseconds; 0 if the file system does not know it.
    package let created: Int64

    /// The identity of the file at that path; that of no file if there is none.
    package init(of path: String) {
        var info = stat()
        inode = stat(path, &info) == 0 ? UInt64(info.st_ino) : 0
        created = pollux_creation_time(path)
    }

    package init(inode: UInt64, created: Int64) {
        self.inode = inode
        self.created = created
    }

    /// Whether both may be the same file.
    package func isSame(as other: FileIdentity) -> Bool {
        inode == other.inode && (created == 0 || other.created == 0 || created == other.created)
    }
}
