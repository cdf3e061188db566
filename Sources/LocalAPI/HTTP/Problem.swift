import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
import VerbatimJSON

/// An answer that is an error: thrown by a route, written as RFC 9457 by ``ProblemMiddleware``.
struct Problem: Error {
    let document: ProblemDocument

    init(_ document: ProblemDocument) {
        self.document = document
    }

    init(
        _ status: HTTPResponse.Status, _ code: String, title: String, _ detail: String,
        members: [(String, JSONValue)] = []
    ) {
        document = ProblemDocument(
            status: Int(status.code), code: code, title: title, detail: detail, members: JSONObject(members))
    }

    /// What the engine says, as HTTP says it.
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
        case .keyConflict(_, _, let differences):
            members.append(("fields", .array(differences.map { .string($0.field) })))
        case .taskNotFound, .refused, .store:
            break
        }
        let (status, title): (HTTPResponse.Status, String) =
            switch error.category {
            case .invalid: (.unprocessableContent, "The request was not accepted")
            case .notFound: (.notFound, "There is no such task")
            case .conflict: (.conflict, "It does not fit with what is there")
            case .storageFailing where error.code == "storage_locked": (.serviceUnavailable, "The database is busy")
            case .storageFailing where error.code == "storage_unknown":
                (.serviceUnavailable, "It may have been stored or not")
            case .storageFailing: (.serviceUnavailable, "Nothing can be stored at the moment")
            case .unavailable: (.insufficientStorage, "Nothing can be stored at the moment")
            case .broken: (.internalServerError, "The daemon is in trouble")
            }
        self.init(status, error.code, title: title, error.message, members: members)
    }
}

extension HTTPResponse.Status {
    /// RFC 4918: the disk, not the request, is the trouble.
    static let insufficientStorage = HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
}
