import NIOCore

/// Parses server-sent events from the bytes of a response
/// (https://html.spec.whatwg.org/multipage/server-sent-events.html). Lines end with a line feed.
struct EventStreamParser {
    /// A message, which an empty line completes.
    struct Message: Hashable {
        /// The type; empty for an event without one.
        var type = ""
        var data: [UInt8] = []
        /// The id of the event. Without data it is the position that the stream has reached.
        var id: String?
    }

    private var rest = ByteBuffer()
    private var message = Message()
    /// The number of bytes of ``rest`` that are known to have no line end.
    private var searched = 0

    /// The size of the incomplete line and message, in bytes.
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
        // Comments, `retry` and fields of a newer daemon are ignored.
        default: break
        }
    }
}
