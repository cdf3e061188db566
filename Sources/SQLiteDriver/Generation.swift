import TaskStore

/// A number that shows whether a database, its write-ahead log and its state directory belong together.
///
/// SQLite replays any complete log into any database beside it, because a log does not name its database
/// (https://sqlite.org/fileformat2.html#the_write_ahead_log). A backup beside the log of a later database would be mixed
/// with it. So the header of the database has a number, `PRAGMA user_version`, which can be read without the log:
///
/// - The first commit after a complete checkpoint increments the number. SQLite overwrites the log at that commit at the
///   earliest. So a log leads to the number of its file or to the next one.
/// - The ``GenerationMark`` beside the database gets the number after that commit is on disk. A database below its mark
///   lacks commits.
///
/// Both hold after a crash between any two of these steps.
enum Generation {
    /// The place of the number in the first page (https://sqlite.org/fileformat2.html#user_version_number).
    static let headerBytes = 60..<64

    /// The range of first numbers. It is large, so that two databases hardly ever share a number.
    static let first = 1 << 16...1 << 30

    /// Rejects a file with the log or the mark of another database. `inFile` is the number in the main file, `withLog` the
    /// number that the log leads to, `marked` that of the state directory, if it has one.
    static func check(inFile: Int, withLog: Int, marked: Int?, path: String, mark: String) throws(TaskStoreError) {
        guard withLog == inFile || withLog == inFile + 1 else {
            throw .mismatched(
                """
                The log \(path)-wal belongs to another state of the database than \(path) beside it (generation \(inFile) \
                in the file, \(withLog) in the log). SQLite would mix them and damage both. If the database is a backup \
                that you restored, move \(path)-wal and \(path)-shm away and delete \(mark); the tasks of that log are \
                then missing. If not, restore the database to which the log belongs.
                """)
        }
        guard let marked, withLog < marked else { return }
        throw .mismatched(
            """
            The database \(path) is older than its state directory (generation \(withLog), not \(marked)), so that stored \
            tasks are missing from it. If its log \(path)-wal was moved away, put it back. If the database is a backup that \
            you restored on purpose, delete \(mark): Pollux then continues from the backup, and its queued tasks \
            may be sent and paid for again.
            """)
    }
}
