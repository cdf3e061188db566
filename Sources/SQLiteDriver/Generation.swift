import TaskStore

/// The number that ties a database, its write-ahead log and its state directory together.
///
/// SQLite replays any whole log into any database beside it, since a log does not name its database
/// (https://sqlite.org/fileformat2.html#the_write_ahead_log). A backup that is put beside the log of a later database would
/// be mixed with it. So the database has a number in its header, `PRAGMA user_version`, which the main file tells without
/// its log:
///
/// - The first commit after the log was copied into the file as a whole raises the number. SQLite begins to overwrite the
///   log at that commit at the earliest. So the log of a file leads to the same number as the file has, or to the next.
/// - The ``GenerationMark`` beside the database holds the number once the commit that raised it is on disk. A database that
///   is behind its mark lacks commits.
///
/// No crash leaves anything else behind, whichever of these steps it comes between.
enum Generation {
    /// Where the number is in the first page (https://sqlite.org/fileformat2.html#user_version_number).
    static let headerBytes = 60..<64

    /// Where the numbers of new databases begin, so that two databases hardly ever have the same.
    static let first = 1 << 16...1 << 30

    /// Refuses a file whose log or mark is another's. `inFile` is the number in the main file alone, `withLog` the number
    /// that the log leads to, `marked` that of the state directory, where there is one.
    static func check(inFile: Int, withLog: Int, marked: Int?, path: String, mark: String) throws(TaskStoreError) {
        guard withLog == inFile || withLog == inFile + 1 else {
            throw .mismatched(
                """
                The log \(path)-wal belongs to another state of the database than \(path) beside it (generation \(inFile) \
                in the file, \(withLog) in the log). SQLite would mix them and damage both. If the database is a backup \
                that you put back, move \(path)-wal and \(path)-shm away and delete \(mark); the tasks of that log are \
                then missing. If not, put back the database to which the log belongs.
                """)
        }
        guard let marked, withLog < marked else { return }
        throw .mismatched(
            """
            The database \(path) is older than its state directory (generation \(withLog), not \(marked)), so that stored \
            tasks are missing from it. If its log \(path)-wal was moved away, put it back. If the database is a backup that \
            you put back on purpose, delete \(mark): Pollux then goes on from the backup, and what the backup calls queued \
            may be sent and paid for again.
            """)
    }
}
