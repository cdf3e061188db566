extension JSONValue {
    /// The document on one line, without spaces, in written order.
    package var text: String {
        var writer = JSONWriter(indent: nil)
        writer.write(self, level: 0)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The document over several lines, indented by two spaces, for people.
    package var prettyText: String {
        var writer = JSONWriter(indent: 2)
        writer.write(self, level: 0)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The bytes of ``text``.
    package var utf8: [UInt8] {
        var writer = JSONWriter(indent: nil)
        writer.write(self, level: 0)
        return writer.bytes
    }
}

private struct JSONWriter {
    let indent: Int?
    var bytes: [UInt8] = []

    init(indent: Int?) {
        self.indent = indent
        // A task's document with a small record; growing in steps from nothing took a fifth of the writing.
        bytes.reserveCapacity(1_024)
    }

    mutating func write(_ value: JSONValue, level: Int) {
        switch value {
        case .null: append("null")
        case .bool(let flag): append(flag ? "true" : "false")
        case .number(let number): append(number.digits)
        case .string(let text): write(text)
        case .array(let elements):
            list(UInt8(ascii: "["), UInt8(ascii: "]"), count: elements.count, level: level) { writer, position in
                writer.write(elements[position], level: level + 1)
            }
        case .object(let object):
            list(UInt8(ascii: "{"), UInt8(ascii: "}"), count: object.members.count, level: level) { writer, position in
                let member = object.members[position]
                writer.write(member.name)
                writer.bytes.append(UInt8(ascii: ":"))
                if writer.indent != nil { writer.bytes.append(UInt8(ascii: " ")) }
                writer.write(member.value, level: level + 1)
            }
        }
    }

    private mutating func list(
        _ open: UInt8, _ close: UInt8, count: Int, level: Int, element: (inout JSONWriter, Int) -> Void
    ) {
        bytes.append(open)
        for position in 0..<count {
            if position > 0 { bytes.append(UInt8(ascii: ",")) }
            breakLine(level: level + 1)
            element(&self, position)
        }
        if count > 0 { breakLine(level: level) }
        bytes.append(close)
    }

    private mutating func breakLine(level: Int) {
        guard let indent else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indent * level))
    }

    private mutating func write(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { characters in
            // Runs of characters that need no escape are copied whole; most texts are one such run.
            var run = 0
            for index in characters.indices where Self.needsEscape(characters[index]) {
                bytes.append(contentsOf: characters[run..<index])
                escape(characters[index])
                run = index + 1
            }
            bytes.append(contentsOf: characters[run...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append("\\\"")
        case UInt8(ascii: "\\"): append("\\\\")
        case 0x0a: append("\\n")
        case 0x0d: append("\\r")
        case 0x09: append("\\t")
        default: append("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
        }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}
