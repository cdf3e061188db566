import FoundationEssentials
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The file beside a database that records the ``Generation`` that the database has reached.
///
/// It is written only after a commit of that generation is on disk, so it is never ahead of an undamaged database. Its
/// name does not begin with that of the database, so deleting `pollux.sqlite*` leaves the mark.
struct GenerationMark: Sendable {
    let path: String

    /// Creates the mark of the database at that path.
    init(of database: String) {
        let suffix = ".sqlite"
        path = (database.hasSuffix(suffix) ? String(database.dropLast(suffix.count)) : database) + ".generation"
    }

    /// Whether there has ever been a database here.
    var exists: Bool { access(path, F_OK) == 0 }

    /// The latest marked generation; nil if there is no readable mark.
    var generation: Int? {
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        return Int(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
    }

    /// Replaces the mark atomically; it is on disk when this returns. Returns false on failure.
    func write(_ generation: Int) -> Bool {
        let draft = path + ".new"
        guard
            Self.withFile(
                draft, O_WRONLY | O_CREAT | O_TRUNC,
                { file in
                    let bytes = Array("\(generation)\n".utf8)
                    return pwrite(file, bytes, bytes.count, 0) == bytes.count && fsync(file) == 0
                })
        else { return false }
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        return rename(draft, path) == 0 && Self.withFile(directory, O_RDONLY) { fsync($0) == 0 }
    }

    private static func withFile(_ path: String, _ flags: Int32, _ body: (Int32) -> Bool) -> Bool {
        let file = open(path, flags | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return body(file)
    }
}
