import FoundationEssentials
import GRDB
import TaskStore
extension TaskStoreError {
    /// Says in our words what SQLite or the file system said in theirs.
    init(translating error: any Error) {
        switch error {
        case let error as TaskStoreError: self = error
        case let error as DatabaseError: self = Self.translating(error)
        case let error as CocoaError where error.code == .fileWriteOutOfSpace: self = .full
        case let error as CocoaError where [.fileWriteNoPermission, .fileWriteVolumeReadOnly].contains(error.code):
            self = .readOnly
        default: self = .failed("\(error)")
        }
    }

    private static func translating(_ error: DatabaseError) -> TaskStoreError {
        switch error.extendedResultCode {
        // ENOSPC is SQLITE_FULL; a quota or a file size limit arrives as a failed write, a full tmpfs also as a failed
        // growth of the shared-memory file.
        case .SQLITE_IOERR_WRITE, .SQLITE_IOERR_SHMSIZE, .SQLITE_IOERR_TRUNCATE: return .full
        default: break
        }
        switch error.resultCode {
        case .SQLITE_FULL: return .full
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: return .readOnly
        case .SQLITE_CANTOPEN: return .readOnly
        case .SQLITE_BUSY, .SQLITE_LOCKED: return .locked
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .damaged(error.message ?? "its pages do not fit together")
        default: return .failed(error.message ?? "\(error.resultCode)")
        }
    }
}

extension Error {
    /// Whether a transaction may be on disk although its COMMIT failed with this error.
    ///
    /// SQLite writes all frames, then syncs the log, then enters the frames into its index in shared memory. Where a write
    /// fails, the last frame, which alone makes the transaction count, is not whole. After any other error of the disk or the
    /// memory it may be. An error that is not of the disk comes before the first frame.
    var mayBeOnDisk: Bool {
        guard let error = self as? DatabaseError else { return true }
        switch error.resultCode {
        case .SQLITE_IOERR: return error.extendedResultCode != .SQLITE_IOERR_WRITE
        case .SQLITE_NOMEM, .SQLITE_INTERNAL, .SQLITE_PROTOCOL, .SQLITE_CANTOPEN: return true
        default: return false
        }
    }
}
