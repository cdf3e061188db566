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
