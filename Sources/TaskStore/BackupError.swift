import TaskModel

/// Why no backup was written. The database is unchanged, and no file remains.
package enum BackupError: UserFacingError, Hashable {
    /// The directory does not exist, or no file can be written there. `reason` is the system's text.
    case unusableDirectory(String, reason: String)
    /// The disk of the directory is full.
    case noSpace(String)
    /// A file with the backup's name exists.
    case exists(String)
    /// Another backup is being written.
    case running
    /// The daemon is stopping.
    case interrupted
    /// A value of a record is in a file that cannot be read. The text is a sentence.
    case partUnreadable(String)
    /// Anything else that SQLite or the file system reports.
    case failed(String)
    /// The database cannot be read.
    case store(TaskStoreError)

    package var code: String {
        switch self {
        case .unusableDirectory: "backup_directory_unusable"
        case .noSpace: "backup_no_space"
        case .exists: "backup_exists"
        case .running: "backup_running"
        case .interrupted: "backup_interrupted"
        case .partUnreadable: "storage_part_unreadable"
        case .failed: "backup_failed"
        case .store(let error): error.code
        }
    }

    package var message: String {
        switch self {
        case .unusableDirectory(let directory, let reason):
            "No backup can be written to \(directory): \(reason). Name a directory that exists and that the daemon's user may write to."
        case .noSpace(let directory):
            "The disk of \(directory) is full, so no backup was written. Free some space, or name another directory."
        case .exists(let path):
            "\(path) exists already and is never overwritten, so no backup was written. Try again in a second."
        case .running:
            "Another backup is being written. Try again when it is finished."
        case .interrupted:
            "The daemon is stopping, so no backup was written. Start it and try again."
        case .partUnreadable(let what):
            "\(what) It holds a part of a record, so no backup was written. Bring the directory of artefacts back, then try again."
        case .failed(let what):
            "The backup could not be written: \(what)."
        case .store(let error):
            error.message
        }
    }
}
