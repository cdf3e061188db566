import FoundationEssentials

/// A directory of a test's own, removed when the test is over.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// Makes it, open to its owner only.
    package init() throws {
        var random = SystemRandomNumberGenerator()
        path = FileManager.default.temporaryDirectory.path + "/pollux-test-" + String(random.next(), radix: 36)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// The path of a file in it.
    package func file(_ name: String) -> String { path + "/" + name }

    deinit {
        // A test's leftovers are nobody's problem.
        try? FileManager.default.removeItem(atPath: path)
    }
}
