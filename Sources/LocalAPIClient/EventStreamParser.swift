import NIOCore

/// EventStreamParser reads server-sent events out of the bytes of a response
/// (https://html.spec.whatwg.org/multipage/server-sent-events.html). Lines end with a line feed.
struct EventStreamParser {
    /// What an empty line completes.
    struct Message: Hashable {
        /// Empty for an event without a type.
        var type = ""
        var data: [UInt8] = []
        /// The id of the event, or of the place that the stream has reached if there is no data.
        var id: String?
    }

    private var rest = ByteBuffer()
    private var message = Message()
    /// How many bytes of ``rest`` are known to have no line end.
    private var searched = 0

    /// How much of an incomplete line is kept, in bytes.
    var bufferedBytes: Int { rest.readableBytes + message.data.count }

    /// The messages that these bytes complete.
    mutating func read(_ bytes: ByteBuffer) -> [Message] {
        rest.writeImmutableBuffer(bytes)
        var messages: [Message] = []
        while let end = rest.readableBytesView.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) {
            searched = 0
            let line = rest.readBytes(length: end - rest.readerIndex) ?? []
            rest.moveReaderIndex(forwardBy: 1)
            if line.isEmpty {
                messages.append(message)
                message = Message()
            } else {
                take(line)
            }
        }
        searched = rest.readableBytes
        rest.discardReadBytes()
        return messages
    }

    private mutating func take(_ line: [UInt8]) {
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[colon...].dropFirst()
        if value.first == UInt8(ascii: " ") { value.removeFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "data": message.data += message.data.isEmpty ? value : [UInt8(ascii: "\n")] + value
        case "event": message.type = String(decoding: value, as: UTF8.self)
        case "id": message.id = String(decoding: value, as: UTF8.self)
        // Comments, `retry` and what a newer daemon may say.
        default: break
        }
    }
}
