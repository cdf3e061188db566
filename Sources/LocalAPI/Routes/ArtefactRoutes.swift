import HTTPServing
import HTTPTypes
import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// ArtefactRoutes show the files of results, and have them fetched.
struct ArtefactRoutes {
    let service: TaskService
    /// Nil if there is no place for files.
    let artefacts: ArtefactService?
    private let files = FileIO()

    init(service: TaskService, artefacts: ArtefactService?) {
        self.service = service
        self.artefacts = artefacts
    }

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.fetchResults.routerPath) { request, context in
            try request.refuseQuery()
            let id = try await service.id(of: context.parameters.require("id"))
            let stored = try await service.task(id)
            guard let artefacts else { throw TaskServiceError.nothingToFetch(id) }
            try await artefacts.fetch(stored)
            return await service.response(showing: try await service.task(id))
        }
        router.get(LocalAPIRoute.artefact.routerPath) { request, context in
            try request.refuseQuery()
            return try await file(context.parameters.require("sha256"), for: request, context)
        }
    }

    /// The file, or the part of it that the request asks for. It never changes, so its digest is its entity tag.
    private func file(_ sha256: String, for request: Request, _ context: APIContext) async throws -> Response {
        guard let artefacts else { throw TaskServiceError.artefactNotFound(sha256) }
        let (object, path) = try await artefacts.file(sha256)
        let size = Int(object.size)
        let tag = "\"\(object.sha256)\""
        let isShown = Self.shownTypes.contains(object.mediaType)
        var headers: HTTPFields = [
            .contentType: object.mediaType, .eTag: tag, .acceptRanges: "bytes",
            .cacheControl: "private, max-age=31536000, immutable", .xContentTypeOptions: "nosniff",
            .contentSecurityPolicy: "sandbox",
            .contentDisposition: isShown ? "inline" : "attachment; filename=\"\(object.fileName)\"",
        ]
        if request.headers[.ifNoneMatch] == tag { return Response(status: .notModified, headers: headers) }
        // A client that has only a part, or is gone, still needs the file.
        let wasDelivered: @Sendable () async -> Void = { [artefacts] in await artefacts.noteDelivery(of: sha256) }
        switch ByteRange(request.headers, tag: tag, size: size) {
        case .whole:
            let body = try await files.loadFile(path: path, context: context)
            if request.method == .get { DeliveryHandler.afterFile(over: context.channel, wasDelivered) }
            return Response(status: .ok, headers: headers, body: body)
        case .part(let range, let isRest):
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound)/\(size)"
            let body = try await files.loadFile(path: path, range: range, context: context)
            if request.method == .get, isRest { DeliveryHandler.afterFile(over: context.channel, wasDelivered) }
            return Response(status: .partialContent, headers: headers, body: body)
        case .unsatisfiable:
            throw Problem(
                .rangeNotSatisfiable, "range_not_satisfiable", title: "Range not satisfiable",
                "The file has \(size) bytes.")
        }
    }

    /// The types that a browser may show. SVG and HTML can run scripts.
    private static let shownTypes: Set = [
        "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "audio/mpeg", "audio/wav", "audio/mp4",
        "audio/aac", "audio/flac", "audio/ogg", "video/mp4", "video/webm", "video/quicktime",
    ]
}

extension Artefact.Object {
    /// The last part of its name.
    var fileName: String { name.split(separator: "/").last.map(String.init) ?? sha256 }
}
