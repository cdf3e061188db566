package import HTTPTypes
import Hummingbird
package import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
package import VerbatimJSON

/// An error reply. Routes throw it, and ``ProblemMiddleware`` writes it as RFC 9457.
package struct Problem: Error {
    package let document: ProblemDocument

    init(_ document: ProblemDocument) {
        self.document = document
    }

    package init(
        _ status: HTTPResponse.Status, _ code: String, title: String, _ detail: String,
        members: [(String, JSONValue)] = []
    ) {
        document = ProblemDocument(
            status: Int(status.code), code: code, title: title, detail: detail, members: JSONObject(members))
    }

    /// Maps an error of the engine to HTTP.
    init(_ error: TaskServiceError) {
        var members: [(String, JSONValue)] = []
        if let existing = error.existingTask { members.append(("existing_id", .string(existing.text))) }
        switch error {
        case .unknownEndpoint(_, let nearest):
            members += [("fields", ["endpoint"]), ("nearest", .array(nearest.map { .string($0.text) }))]
        case .synchronousEndpoint:
            members.append(("fields", ["endpoint"]))
        case .ambiguousID(_, let candidates):
            members.append(("candidates", .array(candidates.map { .string($0.text) })))
        case .invalidField(let field, _):
            members.append(("fields", [.string(field)]))
        case .backup where error.code == "backup_directory_unusable":
            members.append(("fields", ["directory"]))
        case .keyConflict(_, _, let differences):
            members.append(("fields", .array(differences.map { .string($0.field) })))
        case .unknownDestination(_, let nearest):
            if let nearest { members.append(("nearest", [.string(nearest)])) }
        case .unknownBudget(_, let nearest):
            if let nearest { members.append(("nearest", [.string(nearest)])) }
        case .overBudget(let shortage):
            members.append(("budget", .string(shortage.budget)))
            members.append(("missing", shortage.missing.map { AmountDocument($0, shortage.unit).json } ?? .null))
        case .taskNotFound, .artefactNotFound, .artefactsUnavailable, .nothingToFetch, .refused, .backup, .store,
            .journalsAwaited:
            break
        }
        let (status, title): (HTTPResponse.Status, String) =
            switch error.category {
            case .invalid: (.unprocessableContent, "Invalid request")
            case .notFound where error.code == "artefact_not_found": (.notFound, "File not found")
            case .notFound where error.code == "unknown_destination": (.notFound, "Destination not found")
            case .notFound where error.code == "unknown_budget": (.notFound, "Budget not found")
            case .notFound: (.notFound, "Task not found")
            case .overBudget: (.paymentRequired, "Over budget")
            case .conflict: (.conflict, "Conflict")
            case .storageFailing where error.code == "storage_locked": (.serviceUnavailable, "The database is busy")
            case .storageFailing where error.code == "backup_interrupted":
                (.serviceUnavailable, "The daemon is stopping")
            case .storageFailing where error.code == "storage_unknown":
                (.serviceUnavailable, "Outcome unknown")
            case .storageFailing: (.serviceUnavailable, "Storage unavailable")
            case .unavailable: (.insufficientStorage, "Storage full or read-only")
            case .broken: (.internalServerError, "Internal error")
            }
        self.init(status, error.code, title: title, error.message, members: members)
    }
}

extension HTTPResponse.Status {
    /// A task costs more than a budget allows.
    static let paymentRequired = HTTPResponse.Status(code: 402, reasonPhrase: "Payment Required")
    /// RFC 4918: the disk is full.
    static let insufficientStorage = HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
}
