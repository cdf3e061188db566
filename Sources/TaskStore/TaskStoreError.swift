package import TaskModel

/// Why a store operation failed. Nothing was changed, except perhaps after ``unknown``.
package enum TaskStoreError: UserFacingError, Hashable {
    /// The disk is full, or the size limit was reached.
    case full
    /// The file system, the file or the server cannot be written.
    case readOnly
    /// Another program keeps the database locked.
    case locked
    /// There is no connection to the database's server, for this reason.
    case unreachable(String)
    /// The file is not a Pollux database, or its contents are damaged.
    case damaged(String)
    /// A later version of Pollux wrote it.
    case newer
    /// The commit failed, but may be on disk: the data may be stored or not.
    case unknown
    /// An earlier commit is ``unknown``, and its effect could not be removed yet. Nothing of this call was stored.
    case unsettled
    /// The database at this path was deleted or replaced while it was open; nothing of this call was stored.
    case replaced(String)
    /// The state directory was used before, but its database at this path is missing.
    case missing(String)
    /// The database, its log and the state directory do not belong together. The text is whole sentences.
    case mismatched(String)
    /// The remote id belongs to another task of the service.
    case remoteIDInUse(by: TaskID)
    /// Another live process holds the lease of the account, so no work may start.
    case leaseHeld(by: String)
    /// The database is an older copy, and no person has accepted that.
    case restored
    /// A value of a record is in a file that cannot be read. The text is whole sentences.
    case partUnreadable(String)
    /// Another error of the database.
    case failed(String)

    package var code: String {
        switch self {
        case .full: "storage_full"
        case .readOnly: "storage_read_only"
        case .locked: "storage_locked"
        case .unreachable: "storage_unreachable"
        case .damaged: "storage_damaged"
        case .newer: "storage_newer"
        case .unknown: "storage_unknown"
        case .unsettled: "storage_unsettled"
        case .replaced: "storage_replaced"
        case .missing: "storage_missing"
        case .mismatched: "storage_mismatched"
        case .remoteIDInUse: "remote_id_taken"
        case .leaseHeld: "lease_held"
        case .restored: "restored"
        case .partUnreadable: "storage_part_unreadable"
        case .failed: "storage_failed"
        }
    }

    package var message: String {
        switch self {
        case .full:
            "The disk is full, so nothing was stored. What was accepted before is safe. Free some space and try again."
        case .readOnly:
            "The database cannot be written, so nothing was stored. Make the state directory writable for the daemon's user, or name PostgreSQL's primary server and a role that may write; then try again."
        case .locked:
            "Another program keeps the database locked, so nothing was stored. Close it (a database browser, a backup?) and try again."
        case .unreachable(let why):
            "There is no connection to PostgreSQL, so nothing was stored: \(why). Check the server, its address and the network. A running daemon continues automatically."
        case .damaged(let what):
            "The database is damaged or not a Pollux database: \(what). Nothing was changed. Restore it from a backup, or move it away, with its -wal and -shm files, to start with an empty one."
        case .newer:
            "The database was written by a newer version of Pollux. Nothing was changed. Start that version, or choose another state directory."
        case .unknown:
            "The disk, or the connection to the database, failed while this was being written, so it may have been stored or not. Check both, then repeat the request with the same idempotency key: it is stored once. Without a key, look with `pollux list` before you repeat it."
        case .unsettled:
            "The disk failed during an earlier write, whose remains could not be removed yet, so nothing was stored and nothing is sent. Check the disk. Pollux continues automatically once it can write again."
        case .replaced(let path):
            "The database \(path), or the log beside it, was deleted or replaced while the daemon had it open, so nothing was stored and nothing is sent. Move the file back to its place, or stop the daemon, put the right database there, and start again."
        case .missing(let path):
            "The state directory was used before, but its database \(path) is gone. Nothing was changed. Put the database back. Or start once with `pollux serve --new-database`, which begins with an empty one: all earlier tasks and idempotency keys are then forgotten, so a request that is repeated is paid for again."
        case .mismatched(let what):
            "\(what) Nothing was changed."
        case .remoteIDInUse(let owner):
            "This remote id already belongs to task \(owner). If that task was only tracked, `pollux cancel \(owner)` frees the id."
        case .leaseHeld(let holder):
            "Another Pollux (\(holder)) sends the tasks of this account, so nothing was sent."
        case .restored:
            "The database is an older copy, so nothing paid is sent. `pollux restore` shows what may have been sent since."
        case .partUnreadable(let what):
            "\(what) It holds a part of the task's record, so the task cannot be shown. Nothing was changed. Bring the directory of artefacts back, then try again."
        case .failed(let what):
            "The database failed: \(what)."
        }
    }
}
