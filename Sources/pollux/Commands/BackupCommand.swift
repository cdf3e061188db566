import ArgumentParser
import FoundationEssentials
import LocalAPIClient
import LocalAPIContract

/// Writes a backup of the database.
struct BackupCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Write a backup of the database into a directory.",
        discussion: """
            The daemon writes pollux-TIME.sqlite there, checks it, and continues its work meanwhile. It never \
            overwrites a file. A copy by `cp` is not a backup: it lacks the data in the log beside the database.

            Example:
              pollux backup /var/backups/pollux
            """)

    @Argument(
        help: ArgumentHelp("An existing directory that the daemon's user may write to.", valueName: "dir"),
        completion: .directory)
    var directory: String

    @OptionGroup(title: "Connection and output")
    var options: GlobalOptions

    func reply(from client: LocalAPIClient) async throws -> Answer<BackupDocument> {
        // The daemon may run in another working directory.
        let isAbsolute = directory.utf8.first == UInt8(ascii: "/")
        return try await client.backUp(
            into: isAbsolute ? directory : FileManager.default.currentDirectoryPath + "/" + directory)
    }

    func lines(for backup: BackupDocument, on terminal: Terminal) -> [String] { [backup.path.printable] }
}
