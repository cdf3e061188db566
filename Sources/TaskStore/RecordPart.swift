import Crypto
import FoundationEssentials
import VerbatimJSON

/// A long base64 value of a record. Its bytes are in a file, and the stored record has an empty string in its place.
package struct RecordPart: Sendable, Hashable {
    /// A JSON Pointer to its place in the record.
    package let pointer: String
    /// What stands before the base64: `data:image/png;base64,`.
    package let prefix: String
    /// The SHA-256 of the bytes in hexadecimal digits.
    package let sha256: String
    /// The number of bytes.
    package let size: Int

    package init(pointer: String, prefix: String, sha256: String, size: Int) {
        self.pointer = pointer
        self.prefix = prefix
        self.sha256 = sha256
        self.size = size
    }

    /// Longer values are kept in files, in bytes of their text.
    package static let longestInRecord = 1 << 16

    /// The length of the text that the record lacks.
    var textSize: Int { prefix.utf8.count + (size + 2) / 3 * 4 }

    /// The value, from its bytes.
    func text(of bytes: [UInt8]) -> String { prefix + Data(bytes).base64EncodedString() }

    /// What stands before the base64 of a text, and its bytes; nil unless they make exactly this text again.
    static func split(_ text: String) -> (prefix: String, bytes: [UInt8])? {
        var prefix = ""
        var letters = text
        if text.hasPrefix("data:") {
            guard let comma = text.utf8.prefix(1_024).firstIndex(of: UInt8(ascii: ",")),
                text[..<comma].hasSuffix(";base64")
            else { return nil }
            prefix = String(text[...comma])
            letters = String(text[text.utf8.index(after: comma)...])
        }
        guard let data = Data(base64Encoded: letters), !data.isEmpty,
            data.base64EncodedString().utf8.elementsEqual(letters.utf8)
        else { return nil }
        return (prefix, Array(data))
    }

    /// The SHA-256 of some bytes in hexadecimal digits.
    package static func digest(of bytes: [UInt8]) -> String {
        SHA256.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// Keeps the bytes of long values of records in files.
package protocol RecordFiles: Sendable {
    /// Keeps bytes under their digest. They are on disk when the call returns, and stay at least until ``settle(_:)``.
    func keep(_ bytes: [UInt8], as sha256: String) async throws(RecordFileFailure)
    /// Lets a file be removed again that ``keep(_:as:)`` has kept. Call it once after each, when its record is stored or not.
    func settle(_ sha256: String)
    /// The bytes with that digest.
    func read(_ sha256: String) async throws(RecordFileFailure) -> [UInt8]
    /// The same on the caller's thread, which may block.
    func readBlocking(_ sha256: String) throws(RecordFileFailure) -> [UInt8]
    /// Lets no file be removed until as many calls with false.
    func holdRemovals(_ isHeld: Bool)
}

/// Why a file of a record cannot be written or read; the text is a sentence.
package struct RecordFileFailure: Error, Hashable {
    package let message: String

    package init(_ message: String) { self.message = message }
}

extension JSONValue {
    /// The strings of more than that many bytes, with their paths, in written order.
    func longStrings(over limit: Int) -> [(path: [String], text: String)] {
        var (path, found): ([String], [(path: [String], text: String)]) = ([], [])
        addLongStrings(over: limit, at: &path, to: &found)
        return found
    }

    private func addLongStrings(
        over limit: Int, at path: inout [String], to found: inout [(path: [String], text: String)]
    ) {
        switch self {
        case .null, .bool, .number: break
        case .string(let text): if text.utf8.count > limit { found.append((path, text)) }
        case .array(let elements):
            for (place, element) in elements.enumerated() {
                path.append("\(place)")
                element.addLongStrings(over: limit, at: &path, to: &found)
                path.removeLast()
            }
        case .object(let object):
            for member in object.members {
                path.append(member.name)
                member.value.addLongStrings(over: limit, at: &path, to: &found)
                path.removeLast()
            }
        }
    }

    /// The document with another value at that path; nil if there is no such place.
    func replacing(_ path: ArraySlice<String>, with value: JSONValue) -> JSONValue? {
        guard let token = path.first else { return value }
        switch self {
        case .object(var object):
            guard let changed = object[token]?.replacing(path.dropFirst(), with: value) else { return nil }
            object[token] = changed
            return .object(object)
        case .array(var elements):
            guard let place = Int(token), elements.indices.contains(place),
                let changed = elements[place].replacing(path.dropFirst(), with: value)
            else { return nil }
            elements[place] = changed
            return .array(elements)
        case .null, .bool, .number, .string: return nil
        }
    }
}
