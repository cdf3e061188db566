package import TaskModel

/// Why the store could not do as told; nothing was changed.
package enum TaskStoreError: UserFacingError, Hashable {
    /// No space left on the device, or the size limit was reached.
    case full
    /// The file system or the file cannot be written.
    case readOnly
    /// Another program keeps the database locked.
    case locked
    /// The file is no database of ours or its contents are broken.
    case damaged(String)
    /// A later version of Pollux wrote it.
    case newer
    /// The remote id belongs to another task of the service.
    case remoteIDInUse(by: TaskID)
    /// Anything else that the database says.
    case failed(String)

    package var code: String {
        switch self {
        case .full: "storage_full"
        case .readOnly: "storage_read_only"
        case .locked: "storage_locked"
        case .damaged: "storage_damaged"
        case .newer: "storage_newer"
        case .remoteIDInUse: "remote_id_taken"
        case .failed: "storage_failed"
        }
    }

    package var message: String {
        switch self {
        case .full:
            "The disk is full, so nothing was stored. What was accepted before is safe. Free some space and try again."
        case .readOnly:
            "The state directory cannot be written, so nothing was stored. Make it writable for the daemon's user and try again."
        case .locked:
            "Another program keeps the database locked, so nothing was stored. Close it (a database browser, a backup?) and try again."
        case .damaged(let what):
            "The database is damaged or not one of Pollux: \(what). Nothing was changed. Restore it from a backup, or move it away, with its -wal and -shm files, to start with an empty one."
        case .newer:
            "The database was written by a newer version of Pollux. Nothing was changed. Start that version, or choose another state directory."
        case .remoteIDInUse(let owner):
            "This remote id already belongs to task \(owner). If that task was only tracked, `pollux cancel \(owner)` frees the id."
        case .failed(let what):
            "The database could not do as told: \(what)."
        }
    }
}
