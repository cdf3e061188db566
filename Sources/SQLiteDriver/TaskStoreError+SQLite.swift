import FoundationEssentials
import GRDB
import StoreSQL
import TaskStore

extension TaskStoreError {
    /// Translates an error of SQLite or the file system.
    init(translating error: any Error) {
        switch error {
        case let error as TaskStoreError: self = error
        case let error as DatabaseError: self = Self.translating(error)
        // The tables are STRICT, so our statements cannot store another type.
        case let error as ColumnTypeError: self = .damaged("\(error)")
        case let error as CocoaError where error.code == .fileWriteOutOfSpace: self = .full
        case let error as CocoaError where [.fileWriteNoPermission, .fileWriteVolumeReadOnly].contains(error.code):
            self = .readOnly
        default: self = .failed("\(error)")
        }
    }

    private static func translating(_ error: DatabaseError) -> TaskStoreError {
        switch error.extendedResultCode {
        // ENOSPC is SQLITE_FULL. A quota or a limit of the file size is a failed write. A full tmpfs may also be a failed
        // growth of the shared-memory file.
        case .SQLITE_IOERR_WRITE, .SQLITE_IOERR_SHMSIZE, .SQLITE_IOERR_TRUNCATE: return .full
        default: break
        }
        switch error.resultCode {
        case .SQLITE_FULL: return .full
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: return .readOnly
        case .SQLITE_CANTOPEN: return .readOnly
        case .SQLITE_BUSY, .SQLITE_LOCKED: return .locked
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .damaged(error.message ?? "its pages are inconsistent")
        default: return .failed(error.message ?? "\(error.resultCode)")
        }
    }
}

extension Error {
    /// Whether a transaction may be on disk although its COMMIT failed with this error.
    ///
    /// SQLite writes all frames, syncs the log, and then adds the frames to its index in shared memory. If a write
    /// fails, the last frame is incomplete, so the transaction does not count. After another error of disk or memory
    /// the last frame may be complete. Every other error occurs before the first frame.
    var mayBeOnDisk: Bool {
        guard let error = self as? DatabaseError else { return true }
        switch error.resultCode {
        case .SQLITE_IOERR: return error.extendedResultCode != .SQLITE_IOERR_WRITE
        case .SQLITE_NOMEM, .SQLITE_INTERNAL, .SQLITE_PROTOCOL, .SQLITE_CANTOPEN: return true
        default: return false
        }
    }
}
