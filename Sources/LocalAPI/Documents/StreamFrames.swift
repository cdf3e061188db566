import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
import VerbatimJSON

/// The format of a stream.
enum StreamFormat: Sendable {
    /// Server-sent events.
    case eventStream
    /// A JSON document per line.
    case jsonLines

    /// The first of the two formats that the client accepts; server-sent events if it accepts neither.
    init(accept values: [String]) {
        let accepted = values.joined(separator: ",").lowercased()
        guard let lines = accepted.firstRange(of: MediaType.jsonLines) else {
            self = .eventStream
            return
        }
        let events = accepted.firstRange(of: MediaType.eventStream)
        self = events.map { $0.lowerBound < lines.lowerBound } ?? false ? .eventStream : .jsonLines
    }

    var mediaType: String {
        switch self {
        case .eventStream: MediaType.eventStream
        case .jsonLines: MediaType.jsonLines
        }
    }
}

/// Encodes the items of a stream as bytes of its response.
struct StreamFrames: Sendable {
    let service: TaskService
    let format: StreamFormat
    /// The members of ``payloads`` that are sent with each task.
    let included: Set<String>
    let epoch: String

    /// The large members of a task.
    static let payloads = ["request", "response", "results"]

    /// The longest piece of a frame that is written at once, in bytes.
    static let longestPiece = 256 << 10

    /// The items that are encoded one at a time. With records, each line is one, so that a client holds one record at a time.
    func parts(of item: EventStream.Item) -> [EventStream.Item] {
        guard case .lines(let lines) = item, !included.isEmpty else { return [item] }
        return lines.map { .lines([$0]) }
    }

    /// The first bytes of a response; may be empty.
    var head: ByteBuffer {
        switch format {
        case .eventStream: ByteBuffer(string: "retry: 2000\n\n")
        case .jsonLines: ByteBuffer()
        }
    }

    /// The bytes of an item.
    func frame(for item: EventStream.Item, of stream: EventStream) async throws -> ByteBuffer {
        switch item {
        case .lines(let lines):
            guard included.isEmpty else { return try await offEventLoop { try await frame(for: lines) } }
            return try await frame(for: lines)
        case .caughtUp:
            let place = id(stream.position)
            return control(StreamControlDocument(control: StreamControlDocument.caughtUp, newest: place), at: place)
        case .reset(let reset):
            let document = StreamControlDocument(
                control: StreamControlDocument.reset, reason: reset.reason.rawValue, oldest: id(reset.oldest),
                newest: id(reset.newest))
            return control(document, at: id(reset.newest))
        case .silence:
            return ByteBuffer(string: format == .eventStream ? ":\n" + Self.place(id(stream.position)) : "\n")
        }
    }

    private func id(_ sequence: Int64) -> String { "\(epoch)-\(sequence)" }

    /// Sends the client's current position without an event.
    private static func place(_ id: String) -> String { "id: \(id)\n\n" }

    /// A control frame has no id. The id after it advances a client that has seen no event yet.
    private func control(_ document: StreamControlDocument, at place: String) -> ByteBuffer {
        switch format {
        case .eventStream:
            ByteBuffer(string: "event: \(document.control)\ndata: \(document.json.text)\n\n" + Self.place(place))
        case .jsonLines: ByteBuffer(string: document.json.text + "\n")
        }
    }

    private func frame(for lines: [StreamLine]) async throws -> ByteBuffer {
        var frame = ByteBuffer()
        for line in lines {
            let json = try await json(for: line)
            switch format {
            case .eventStream:
                frame.writeString("id: \(id(line.sequence))\ndata: ")
                frame.writeBytes(json)
                frame.writeString("\n\n")
            case .jsonLines:
                frame.writeBytes(json)
                frame.writeString("\n")
            }
        }
        return frame
    }

    private func json(for line: StreamLine) async throws -> [UInt8] {
        guard included.isEmpty else {
            // A child task frees its memory at its end. The stream's own task would keep it as long as the client follows.
            async let bytes = json(withRecord: line)
            return try await bytes
        }
        if let encoded = line.encoded { return encoded }
        return encode(line, knowing: await service.forecastFacts(about: line.task))
    }

    /// Not inlined, since an asynchronous function keeps room for all that is inlined into it.
    @inline(never) private func encode(_ line: StreamLine, knowing facts: ForecastFacts) -> [UInt8] {
        let payload = TaskPayload(request: .null, response: nil, results: [])
        let encoded = json(for: line.event, of: TaskWithPayload(task: line.task, payload: payload), knowing: facts)
        line.keep(encoded)
        return encoded
    }

    /// The record may be large, so it is read for this client only.
    private func json(withRecord line: StreamLine) async throws -> [UInt8] {
        let stored = try await service.task(line.task.id)
        return json(for: line.event, of: stored, knowing: await service.forecastFacts(about: stored.task))
    }

    private func json(for event: StoredEvent, of stored: TaskWithPayload, knowing facts: ForecastFacts) -> [UInt8] {
        let task = service.document(of: stored, knowing: facts).json.object?.members.filter { member in
            included.contains(member.name) || !Self.payloads.contains(member.name)
        }
        let members = EventDocument(event).json.object?.members ?? []
        return JSONValue.object(
            JSONObject(
                distinct: [JSONObject.Member("id", .string(id(event.sequence)))] + members
                    + [JSONObject.Member("task", .object(JSONObject(distinct: task ?? [])))])
        ).utf8
    }
}
