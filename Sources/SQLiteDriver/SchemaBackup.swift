import FoundationEssentials
import GRDB
package import TaskModel
import TaskStore
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Stores a copy of a database with tasks before its schema changes, so that a user can go back.
package struct SchemaBackup: Sendable {
    /// The number of copies that are kept.
    static let kept = 2

    private let directory: String
    private let now: Timestamp
    private let onWritten: @Sendable (String) -> Void

    /// `now` marks the copy. `onWritten` is called with the path of a new copy.
    package init(in directory: String, at now: Timestamp, onWritten: @escaping @Sendable (String) -> Void = { _ in }) {
        self.directory = directory
        self.now = now
        self.onWritten = onWritten
    }

    /// Writes `before-schema-N.sqlite`, where N is the schema that the database will have, and removes older copies.
    func write(with writer: BackupWriter, before schema: Int) throws(TaskStoreError) {
        let name = "before-schema-\(schema).sqlite"
        if mkdir(directory, 0o700) != 0, errno != EEXIST { throw errno == ENOSPC ? .full : .readOnly }
        do throws(BackupError) { try writer.replace(name, in: directory, at: now) } catch {
            switch error {
            case .noSpace: throw .full
            case .unusableDirectory: throw .readOnly
            case .store(let error): throw error
            default: throw .failed("\(error.message) The schema does not change without a backup")
            }
        }
        onWritten(directory + "/" + name)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let copies = names.compactMap { name in Self.schema(of: name).map { ($0, name) } }.sorted { $0.0 > $1.0 }
        // A copy that cannot be removed only takes space.
        for (_, name) in copies.dropFirst(Self.kept) { unlink(directory + "/" + name) }
    }

    private static func schema(of name: String) -> Int? {
        guard name.hasPrefix("before-schema-"), name.hasSuffix(".sqlite") else { return nil }
        return Int(name.dropFirst("before-schema-".count).dropLast(".sqlite".count))
    }
}
