import Crypto
import ProviderCatalog
import Text
import VerbatimJSON

/// The body of a submission, as far as the gateway understands it.
enum PassedBody {
    /// A JSON object.
    case json(JSONObject)
    /// A form, in parts (RFC 7578).
    case parts([MultipartForm.Part])
    /// A form of names and values.
    case form(JSONObject)

    /// Reads the body; nil for one that is nothing of this.
    init?(_ bytes: [UInt8], contentType: String) {
        let type = contentType.lowercased()
        if type.hasPrefix("multipart/form-data") {
            guard let parts = MultipartForm.parts(of: bytes, contentType: contentType) else { return nil }
            self = .parts(parts)
        } else if type.hasPrefix("application/x-www-form-urlencoded") {
            guard let object = FormDocument.read(bytes)?.object else { return nil }
            self = .form(object)
        } else {
            guard let object = (try? JSONValue(parsing: bytes))?.object else { return nil }
            self = .json(object)
        }
    }

    /// The members of the request, for the task. Files are described.
    var fields: JSONObject {
        switch self {
        case .json(let object), .form(let object): object
        case .parts(let parts): JSONObject(parts.map { ($0.name, $0.value) })
        }
    }

    /// Whether the members say all of it, so that the body need not be stored beside them.
    var isJSON: Bool { if case .json = self { true } else { false } }

    /// What is compared with other bodies: JSON by value, and parts without the boundary between them.
    fileprivate var comparable: [[UInt8]] {
        switch self {
        case .json(let object): [JSONValue.object(object).canonical.utf8]
        case .form(let object): [JSONValue.object(object).utf8]
        case .parts(let parts):
            parts.flatMap { part in
                [Array(part.name.utf8), Array((part.fileName ?? "").utf8), Array((part.type ?? "").utf8), part.bytes]
            }
        }
    }
}

/// The key by which two requests are equal.
enum ContentKey {
    /// SHA-256 of everything that decides what a request means. `headers` are those that its provider's definition names.
    static func digest(
        program: String, provider: String, method: String, path: String, query: String, headers: [(String, String)],
        body: PassedBody
    ) -> [UInt8] {
        var hash = SHA256()
        func add(_ bytes: [UInt8]) {
            // With its length, so that no two lists of fields have the same bytes.
            withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { hash.update(bufferPointer: $0) }
            hash.update(data: bytes)
        }
        for text in [program, provider, method, path, query] { add(Array(text.utf8)) }
        for (name, value) in headers.sorted(by: { $0.0 < $1.0 }) {
            add(Array(name.utf8))
            add(Array(value.utf8))
        }
        add([])
        for part in body.comparable { add(part) }
        return Array(hash.finalize())
    }
}

/// Reads forms in parts.
enum MultipartForm {
    struct Part: Sendable, Hashable {
        let name: String
        let fileName: String?
        let type: String?
        let bytes: [UInt8]

        /// The value as a member of the request: a text, or what describes a file.
        var value: JSONValue {
            if fileName == nil, let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
            return [
                "file_name": fileName.map(JSONValue.string) ?? .null,
                "content_type": type.map(JSONValue.string) ?? .null,
                "size_bytes": .number(JSONNumber(bytes.count)),
                "sha256": .string(Array(SHA256.hash(data: bytes)).base64URL),
            ]
        }
    }

    /// The parts in order; nil for a body that is no such form.
    static func parts(of body: [UInt8], contentType: String) -> [Part]? {
        guard let boundary = parameter("boundary", of: contentType), 1...200 ~= boundary.utf8.count else { return nil }
        let mark = Array("--\(boundary)".utf8)
        let between = Array("\r\n".utf8) + mark
        guard body.starts(with: mark) else { return nil }
        var parts: [Part] = []
        var rest = body[mark.count...]
        while !rest.starts(with: "--".utf8) {
            guard rest.starts(with: "\r\n".utf8) else { return nil }
            rest = rest.dropFirst(2)
            guard let head = rest.range(of: Array("\r\n\r\n".utf8)),
                let end = rest[head.upperBound...].range(of: between),
                let part = part(
                    String(decoding: rest[..<head.lowerBound], as: UTF8.self), rest[head.upperBound..<end.lowerBound])
            else { return nil }
            parts.append(part)
            rest = rest[end.upperBound...]
        }
        return parts.isEmpty ? nil : parts
    }

    private static func part(_ head: String, _ bytes: ArraySlice<UInt8>) -> Part? {
        var fields: [String: String] = [:]
        for line in head.split(separator: "\r\n") {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].drop { $0 == " " }.description
        }
        guard let disposition = fields["content-disposition"], let name = parameter("name", of: disposition) else {
            return nil
        }
        return Part(
            name: name, fileName: parameter("filename", of: disposition), type: fields["content-type"],
            bytes: Array(bytes))
    }

    /// A parameter of a header field, which may stand in quotation marks.
    private static func parameter(_ name: String, of field: String) -> String? {
        var rest = field.drop { $0 != ";" }
        while rest.first == ";" {
            rest = rest.dropFirst().drop { $0 == " " }
            guard let equals = rest.firstIndex(of: "=") else { return nil }
            let isIt = rest[..<equals].lowercased() == name
            rest = rest[rest.index(after: equals)...]
            var value = ""
            if rest.first == "\"" {
                rest = rest.dropFirst()
                while let letter = rest.first, letter != "\"" {
                    rest = rest.dropFirst()
                    if letter == "\\", let escaped = rest.first {
                        value.append(escaped)
                        rest = rest.dropFirst()
                    } else {
                        value.append(letter)
                    }
                }
                rest = rest.dropFirst().drop { $0 != ";" }
            } else {
                value = String(rest.prefix { $0 != ";" })
                rest = rest.drop { $0 != ";" }
            }
            if isIt { return value }
        }
        return nil
    }
}

extension ArraySlice<UInt8> {
    /// Where these bytes stand first; nil where they do not. For bodies of megabytes, so it leaps from one first byte to the next.
    fileprivate func range(of bytes: [UInt8]) -> Range<Int>? {
        guard let first = bytes.first else { return nil }
        var rest = self
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: bytes) { return start..<start + bytes.count }
            rest = rest.dropFirst()
        }
        return nil
    }
}
