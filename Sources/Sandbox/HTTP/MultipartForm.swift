/// A `multipart/form-data` body (RFC 7578), as clients send it that could attach files.
enum MultipartForm {
    /// The boundary that a content type names; nil for another type.
    static func boundary(in contentType: String?) -> String? {
        let parts = (contentType ?? "").split(separator: ";").map { $0.drop { $0 == " " } }
        guard parts.first?.lowercased() == "multipart/form-data" else { return nil }
        return value(of: "boundary", in: parts)
    }

    /// The fields as texts, in their order, and of each file its name and size; nil if the form is broken.
    static func object(_ bytes: [UInt8], boundary: String) -> JSONValue? {
        var members: [JSONValue.Member] = []
        let mark = Array("--\(boundary)".utf8)
        guard bytes.starts(with: mark) else { return nil }
        var rest = bytes[mark.count...]
        while !rest.starts(with: Array("--".utf8)) {
            guard rest.starts(with: Array("\r\n".utf8)), let head = rest.firstRange(of: Array("\r\n\r\n".utf8)),
                let end = rest[head.upperBound...].firstRange(of: Array("\r\n".utf8) + mark),
                let member = member(head: rest[..<head.lowerBound], body: rest[head.upperBound..<end.lowerBound])
            else { return nil }
            members.append(member)
            rest = rest[end.upperBound...]
        }
        return .object(members)
    }

    private static func member(head: ArraySlice<UInt8>, body: ArraySlice<UInt8>) -> JSONValue.Member? {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        guard let line = lines.first(where: { $0.lowercased().hasPrefix("content-disposition:") }) else { return nil }
        let parts = line.split(separator: ";").map { $0.drop { $0 == " " } }
        guard let name = value(of: "name", in: parts) else { return nil }
        if let file = value(of: "filename", in: parts) {
            return .init(name: name, value: ["filename": .string(file), "bytes": .integer(body.count)])
        }
        return .init(name: name, value: .string(String(decoding: body, as: UTF8.self)))
    }

    /// The value of a parameter such as `name="prompt"`.
    private static func value(of name: String, in parts: [Substring]) -> String? {
        parts.first { $0.lowercased().hasPrefix("\(name)=") }
            .map { $0.dropFirst(name.count + 1).trimming { $0 == "\"" } }.map(String.init)
    }
}

extension Substring {
    fileprivate func trimming(_ isTrimmed: (Character) -> Bool) -> Substring {
        var trimmed = drop(while: isTrimmed)
        while let last = trimmed.last, isTrimmed(last) { trimmed.removeLast() }
        return trimmed
    }
}
