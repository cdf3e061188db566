extension JSONValue {
    /// The document on one line without spaces, in written order.
    package var text: String {
        var writer = JSONWriter(indent: nil)
        writer.write(self, level: 0)
        return writer.text
    }

    /// The document on several lines, indented by two spaces.
    package var prettyText: String {
        var writer = JSONWriter(indent: 2)
        writer.write(self, level: 0)
        return writer.text
    }

    /// The UTF-8 bytes of ``text``.
    package var utf8: [UInt8] {
        var writer = JSONWriter(indent: nil)
        writer.write(self, level: 0)
        return writer.bytes
    }
}

private struct JSONWriter {
    private let indent: Int?
    private(set) var bytes: [UInt8] = []

    init(indent: Int?) {
        self.indent = indent
        // The size of a task document with a small record. Growing from empty is slow.
        bytes.reserveCapacity(1_024)
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func write(_ value: JSONValue, level: Int) {
        switch value {
        case .null: append("null")
        case .bool(true): append("true")
        case .bool(false): append("false")
        case .number(let number): append(number.digits)
        case .string(let text): write(text)
        case .array(let elements):
            append(UInt8(ascii: "["))
            for position in elements.indices {
                separate(position, level: level)
                write(elements[position], level: level + 1)
            }
            if !elements.isEmpty { breakLine(level: level) }
            append(UInt8(ascii: "]"))
        case .object(let object):
            append(UInt8(ascii: "{"))
            for position in object.members.indices {
                separate(position, level: level)
                write(object.members[position].name)
                append(UInt8(ascii: ":"))
                if indent != nil { append(UInt8(ascii: " ")) }
                write(object.members[position].value, level: level + 1)
            }
            if !object.members.isEmpty { breakLine(level: level) }
            append(UInt8(ascii: "}"))
        }
    }

    private mutating func separate(_ position: Int, level: Int) {
        if position > 0 { append(UInt8(ascii: ",")) }
        breakLine(level: level + 1)
    }

    private mutating func breakLine(level: Int) {
        guard let indent else { return }
        append(UInt8(ascii: "\n"))
        for _ in 0..<(indent * level) { append(UInt8(ascii: " ")) }
    }

    private mutating func write(_ text: String) {
        append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { characters in
            // Copies runs of characters that need no escape. Most text is one such run.
            var run = 0
            while true {
                let end = characters.nextEscape(from: run)
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: characters[run..<end]))
                guard end < characters.count else { break }
                escape(characters[end])
                run = end + 1
            }
        }
        append(UInt8(ascii: "\""))
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

    private mutating func append(_ byte: UInt8) { bytes.append(byte) }
}

extension UnsafeBufferPointer<UInt8> {
    /// The index of the next byte from `start` that needs an escape: a quote, a backslash or a control character. The
    /// end if there is none.
    func nextEscape(from start: Int) -> Int {
        var index = start
        // Checks eight bytes at a time with the zero-byte and less-than tests of "Bit Twiddling Hacks" (Stanford),
        // because checking single bytes dominates writing.
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops = ones << 7
        let bytes = UnsafeRawBufferPointer(self)
        while index + 8 <= count {
            let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let quotes = word ^ (ones &* 0x22)
            let backslashes = word ^ (ones &* 0x5c)
            let found =
                (word &- ones &* 0x20) & ~word | (quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes
            guard found & tops == 0 else { break }
            index += 8
        }
        while index < count, self[index] >= 0x20, self[index] != 0x22, self[index] != 0x5c { index += 1 }
        return index
    }
}
