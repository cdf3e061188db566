import FoundationEssentials
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A directory that only its owner can enter.
enum PrivateDirectory {
    /// Makes it with its parents, or takes one that is there; refuses one that others own or may write to, such as `/tmp`.
    ///
    /// One that others may read is closed to them if it is ours alone, which `isOurs` says; a home directory with a
    /// socket in it is left as it is.
    static func prepare(
        _ path: String, for what: String, hint: String = "", isOurs: ([String]) -> Bool, logger: Logger
    ) throws(DaemonError) {
        if !FileManager.default.fileExists(atPath: path) { try make(path, for: what, hint: hint) }
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: resolved(path)),
            attributes[.type] as? FileAttributeType == .typeDirectory,
            let mode = attributes[.posixPermissions] as? Int, let owner = attributes[.ownerAccountID] as? Int
        else { throw .noPlace("\(path), meant for the \(what), is no directory.") }
        guard owner == Int(geteuid()) else {
            throw .noPlace("\(path) belongs to somebody else, so the \(what) would not be safe there.")
        }
        guard mode & 0o022 == 0 else {
            throw .noPlace(
                "Others may write to \(path), so the \(what) would not be safe there. Choose a directory of its own.")
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        guard mode & 0o077 != 0, isOurs(names) else { return }
        guard chmod(path, 0o700) == 0 else {
            throw .noPlace("\(path) could not be closed to others: \(reason()).")
        }
        logger.notice("Others could read \(path); it is closed to them now.")
    }

    /// With all its parents, as `mkdir -p` does it; the system's own words say why it cannot be made.
    private static func make(_ path: String, for what: String, hint: String) throws(DaemonError) {
        var made = ""
        for name in path.split(separator: "/") {
            made += "/" + name
            guard mkdir(made, 0o700) != 0, errno != EEXIST, errno != EISDIR else { continue }
            // One that is there need not be writable, and some systems say that first.
            let reason = reason()
            guard !FileManager.default.fileExists(atPath: made) else { continue }
            throw .noPlace(
                "The directory \(path) for the \(what) cannot be made: \(made): \(reason).\(hint.isEmpty ? "" : " " + hint)"
            )
        }
    }

    private static func resolved(_ path: String) -> String {
        URL(filePath: path).resolvingSymlinksInPath().path()
    }

    /// The system's words for what just failed.
    private static func reason() -> String { String(cString: strerror(errno)) }
}
