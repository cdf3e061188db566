import Text
package import VerbatimJSON

/// Reads a form (`application/x-www-form-urlencoded`, WHATWG URL, section 5.1) as a document.
package enum FormDocument {
    /// Reads the fields as members; nil for an invalid form.
    ///
    /// A value is a text, except `true`, `false`, objects and arrays in JSON. A form with one field that holds an
    /// object is that object: `payload={…}`. A repeated name has all its values.
    package static func read(_ bytes: [UInt8]) -> JSONValue? {
        var document = JSONObject()
        var isAmbiguous: Set<String> = []
        for field in bytes.split(separator: UInt8(ascii: "&")) {
            guard let equals = field.firstIndex(of: UInt8(ascii: "=")), let name = text(field[..<equals]),
                let value = text(field[(equals + 1)...]), !name.isEmpty
            else { return nil }
            guard let earlier = document[name] else {
                document[name] = json(value)
                continue
            }
            let values = isAmbiguous.insert(name).inserted ? [earlier] : earlier.array ?? []
            document[name] = .array(values + [json(value)])
        }
        guard let first = document.members.first else { return nil }
        if document.members.count == 1, case .object = first.value { return first.value }
        return .object(document)
    }

    private static func json(_ text: String) -> JSONValue {
        guard let first = text.utf8.first, [UInt8(ascii: "{"), UInt8(ascii: "[")].contains(first) else {
            return text == "true" ? true : text == "false" ? false : .string(text)
        }
        return (try? JSONValue(parsing: text, limits: .lenient)) ?? .string(text)
    }

    /// The decoded text; nil if it is not UTF-8.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String? {
        var decoded: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): decoded.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let escaped = [UInt8](hex: String(decoding: rest.prefix(2), as: UTF8.self)), escaped.count == 1
                else { return nil }
                decoded += escaped
                rest = rest.dropFirst(2)
            default: decoded.append(byte)
            }
        }
        return String(validating: decoded, as: UTF8.self)
    }
}
