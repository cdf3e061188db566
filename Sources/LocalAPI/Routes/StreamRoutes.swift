import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel

/// Streams the log to clients.
struct StreamRoutes: Sendable {
    let service: TaskService
    let streams: EventStreams
    /// The maximum number of streams.
    let limit: Int
    let connections: SocketConnections

    private static let lastEventID = HTTPField.Name(HeaderName.lastEventID)
    private static let bufferingOfProxies = HTTPField.Name("X-Accel-Buffering")
    /// The maximum number of tasks in one stream's filter.
    private static let maxTasks = 1_000

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.stream.routerPath) { request, context in try await follow(request, context: context) }
    }

    private func follow(_ request: Request, context: APIContext) async throws -> Response {
        let query = try QueryReader(request, knowing: ["after", "task", "endpoint", "state", "label", "include"])
        let start = try start(request, query)
        let included = try included(query)
        let stream = try await open(try filter(query), of: try await tasks(query), from: start)
        let format = StreamFormat(accept: request.headers[values: .accept])
        var headers: HTTPFields = [.contentType: format.mediaType, .cacheControl: "no-store"]
        if let name = Self.bufferingOfProxies { headers[name] = "no" }
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { [service, connections] writer in
                let frames = StreamFrames(service: service, format: format, included: included, epoch: stream.epoch)
                stream.onStall { context.breakConnection() }
                connections.beginStream()
                defer { connections.endStream() }
                let watch = context.watchConnection { stream.end() }
                defer { watch.end() }
                var items: ArraySlice<EventStream.Item> = []
                var frame = frames.head
                while true {
                    // Each piece has its own time limit.
                    while let piece = frame.readSlice(length: min(frame.readableBytes, StreamFrames.longestPiece)),
                        piece.readableBytes > 0
                    {
                        stream.beginWrite()
                        try await writer.write(piece)
                        stream.endWrite()
                    }
                    // A client that waits holds no memory for what it has.
                    frame = ByteBuffer()
                    if items.isEmpty {
                        guard let item = try await stream.next() else { break }
                        items = frames.parts(of: item)[...]
                    }
                    frame = try await frames.frame(for: items.removeFirst(), of: stream)
                }
                try await writer.finish(nil)
            })
    }

    private func open(
        _ filter: TaskFilter, of tasks: Set<TaskID>, from start: EventStreams.Start
    ) async throws -> EventStream {
        do throws(EventStreamRefusal) {
            return try await streams.open(filter, of: tasks, from: start, limit: limit)
        } catch {
            switch error {
            case .tooMany: throw Problem.tooManyStreams(limit)
            case .stopping: throw Problem.stopping
            case .store(let error): throw TaskServiceError.store(error)
            }
        }
    }

    // MARK: The request

    /// A client that reconnects sends its position in a header, and repeats the query of its first request.
    private func start(_ request: Request, _ query: QueryReader) throws -> EventStreams.Start {
        if let text = Self.lastEventID.flatMap({ request.headers[$0] }), !text.isEmpty {
            return try Self.start(text, named: "Last-Event-ID")
        }
        return try query.one("after").map { try Self.start($0, named: "after") } ?? .now
    }

    private static func start(_ text: String, named name: String) throws(Problem) -> EventStreams.Start {
        if text == "0" { return .oldest }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty,
            parts[0].utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let first = parts[1].utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
            let sequence = Int64(parts[1])
        else {
            throw QueryReader.problem(
                name, "must be 0 or the id of an event of this stream, as in 5f3a9c-4711, not \"\(text)\"")
        }
        return .after(epoch: String(parts[0]), sequence: sequence)
    }

    private func filter(_ query: QueryReader) throws(Problem) -> TaskFilter {
        var filter = TaskFilter()
        filter.states = try query.states()
        filter.endpoints = try query.endpoints()
        filter.labels = try query.labels()
        return filter
    }

    private func tasks(_ query: QueryReader) async throws -> Set<TaskID> {
        let texts = query.list("task")
        guard texts.count <= Self.maxTasks else {
            throw QueryReader.problem("task", "may name at most \(Self.maxTasks) tasks")
        }
        var tasks: Set<TaskID> = []
        for text in texts { tasks.insert(try await service.id(of: text)) }
        return tasks
    }

    private func included(_ query: QueryReader) throws(Problem) -> Set<String> {
        let included = query.list("include")
        for name in included where !StreamFrames.payloads.contains(name) {
            throw QueryReader.problem(
                "include", "must be among \(StreamFrames.payloads.joined(separator: ", ")), not \"\(name)\"")
        }
        return Set(included)
    }
}

extension Problem {
    fileprivate static func tooManyStreams(_ limit: Int) -> Problem {
        Problem(
            .serviceUnavailable, ProblemCode.tooManyStreams, title: "Too many streams",
            """
            \(limit) event streams are open, which is the maximum. Follow several tasks over one stream, or raise \
            events.max_streams and restart the daemon.
            """)
    }

    fileprivate static let stopping = Problem(
        .serviceUnavailable, ProblemCode.notReady, title: "The daemon is stopping",
        "The daemon is stopping, so no stream was opened. Connect again once it has started.")
}
