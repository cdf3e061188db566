import StoreSQL

/// The values of a statement in the form that libpq takes: numbers and texts as text, bytes as they are.
///
/// Numbers are texts because the server chooses the type of each parameter, and a text fits every integer type. The memory is
/// used again by the next statement.
struct PostgresParameters {
    private var bytes: [UInt8] = []
    /// Where each value begins in ``bytes``; -1 for NULL.
    private var offsets: [Int] = []
    private var lengths: [CInt] = []
    private var formats: [CInt] = []

    mutating func set(_ first: Int64?, _ values: [ColumnValue]) {
        bytes.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        formats.removeAll(keepingCapacity: true)
        if let first { append(text: String(first)) }
        for value in values {
            switch value {
            case .null: append(offset: -1, length: 0, format: 0)
            case .integer(let number): append(text: String(number))
            case .real(let number): append(text: String(number))
            case .text(let text): append(text: text)
            case .blob(let blob):
                append(offset: bytes.count, length: blob.count, format: 1)
                bytes += blob
                // Empty bytes need an address too: a null pointer is NULL.
                if blob.isEmpty { bytes.append(0) }
            }
        }
    }

    /// Passes the arrays to libpq: values, lengths and formats.
    func withPointers<Result>(
        _ body: (CInt, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<CInt>?, UnsafePointer<CInt>?) -> Result
    ) -> Result {
        bytes.withUnsafeBytes { bytes in
            let pointers = offsets.map { offset in
                offset < 0 ? nil : bytes.baseAddress.map { ($0 + offset).assumingMemoryBound(to: CChar.self) }
            }
            return body(CInt(pointers.count), pointers, lengths, formats)
        }
    }

    /// Appends a text with its terminator. PostgreSQL stores no U+0000, so it becomes U+FFFD; JSON has it as an escape.
    private mutating func append(text: String) {
        append(offset: bytes.count, length: 0, format: 0)
        let start = bytes.count
        bytes += text.utf8
        if bytes[start...].contains(0) {
            bytes.removeSubrange(start...)
            for byte in text.utf8 { if byte == 0 { bytes += "\u{FFFD}".utf8 } else { bytes.append(byte) } }
        }
        bytes.append(0)
    }

    private mutating func append(offset: Int, length: Int, format: CInt) {
        offsets.append(offset)
        lengths.append(CInt(length))
        formats.append(format)
    }
}
