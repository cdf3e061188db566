import FoundationEssentials
import Logging

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Creates and checks directories that only their owner can enter.
enum PrivateDirectory {
    /// Creates the directory and its parents, or accepts an existing one. Rejects one that others own or can write
    /// to.
    ///
    /// If others can read an existing directory and `isOurs` returns true for its files, its mode becomes private. A
    /// home directory with a socket in it keeps its mode.
    static func prepare(
        _ path: String, for what: String, hint: String = "", isOurs: ([String]) -> Bool, logger: Logger
    ) throws(DaemonError) {
        if !FileManager.default.fileExists(atPath: path) { try make(path, for: what, hint: hint) }
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: resolved(path)),
            attributes[.type] as? FileAttributeType == .typeDirectory,
            let mode = attributes[.posixPermissions] as? Int, let owner = attributes[.ownerAccountID] as? Int
        else { throw .unusablePath("\(path), meant for the \(what), is not a directory.") }
        guard owner == Int(geteuid()) else {
            throw .unusablePath("\(path) belongs to another user, so the \(what) would not be safe there.")
        }
        guard mode & 0o022 == 0 else {
            throw .unusablePath(
                "Other users can write to \(path), so the \(what) would not be safe there. Choose a separate directory."
            )
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        guard mode & 0o077 != 0, isOurs(names) else { return }
        guard chmod(path, 0o700) == 0 else {
            throw .unusablePath("\(path) could not be made private: \(reason()).")
        }
        logger.notice("Other users could read \(path). It is private now.")
    }

    /// Creates the directory and its parents, as `mkdir -p` does. The error contains the system's reason.
    private static func make(_ path: String, for what: String, hint: String) throws(DaemonError) {
        var made = ""
        for name in path.split(separator: "/") {
            made += "/" + name
            guard mkdir(made, 0o700) != 0, errno != EEXIST, errno != EISDIR else { continue }
            // For an existing directory, some systems report a missing write permission instead of EEXIST.
            let reason = reason()
            guard !FileManager.default.fileExists(atPath: made) else { continue }
            throw .unusablePath(
                "The directory \(path) for the \(what) cannot be created: \(made): \(reason).\(hint.isEmpty ? "" : " " + hint)"
            )
        }
    }

    private static func resolved(_ path: String) -> String {
        URL(filePath: path).resolvingSymlinksInPath().path()
    }

    /// The system's text for the last error.
    private static func reason() -> String { String(cString: strerror(errno)) }
}
