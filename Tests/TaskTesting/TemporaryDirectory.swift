import FoundationEssentials
import Synchronization
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A temporary directory that is removed when its last reference is released, or else when the process exits.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// Creates the directory, accessible only to its owner.
    package init() throws {
        var random = SystemRandomNumberGenerator()
        path = FileManager.default.temporaryDirectory.path + "/pollux-test-" + String(random.next(), radix: 36)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        Self.remaining.withLock { [path] remaining in
            if remaining == nil { atexit { TemporaryDirectory.removeRemaining() } }
            remaining = (remaining ?? []).union([path])
        }
    }

    /// The path of a file in it.
    package func file(_ name: String) -> String { path + "/" + name }

    deinit { Self.remove([path]) }

    private static let remaining = Mutex<Set<String>?>(nil)

    private static func removeRemaining() { remove(remaining.withLock { $0 ?? [] }) }

    /// Removes directories and ignores errors.
    private static func remove(_ paths: Set<String>) {
        for path in paths { try? FileManager.default.removeItem(atPath: path) }
        remaining.withLock { $0?.subtract(paths) }
    }
}
