import Crypto
import FoundationEssentials
import NIOHTTP1

/// The digests that a server names for a file. Those that are not known here are no reason against it.
struct DigestFields {
    /// A digest that the file must have.
    enum Expected: Hashable {
        case sha256([UInt8]), sha512([UInt8]), sha1([UInt8]), md5([UInt8])
    }

    let expected: [Expected]

    /// `isWhole` means that the reply contains the whole file: some fields are about what the reply contains.
    init(_ headers: HTTPHeaders, isWhole: Bool) {
        var expected: [Expected] = []
        func bytes(_ text: some StringProtocol, count: Int) -> [UInt8]? {
            Data(base64Encoded: String(text)).map(Array.init).flatMap { $0.count == count ? $0 : nil }
        }
        func add(_ name: some StringProtocol, _ text: some StringProtocol) {
            switch name.lowercased() {
            case "sha-256": if let digest = bytes(text, count: 32) { expected.append(.sha256(digest)) }
            case "sha-512": if let digest = bytes(text, count: 64) { expected.append(.sha512(digest)) }
            case "sha-1": if let digest = bytes(text, count: 20) { expected.append(.sha1(digest)) }
            case "md5": if let digest = bytes(text, count: 16) { expected.append(.md5(digest)) }
            default: break
            }
        }
        /// `sha-256=:…:, md5=…`
        func addList(_ field: String) {
            for value in headers[canonicalForm: field] {
                guard let mark = value.firstIndex(of: "=") else { continue }
                let name = value[..<mark].drop { $0 == " " }
                add(name, value[value.index(after: mark)...].filter { $0 != ":" && $0 != " " })
            }
        }
        addList("repr-digest")
        addList("x-goog-hash")
        // A digest of parts ends in a dash and their number; it is no base64.
        for (field, name) in [("x-amz-checksum-sha256", "sha-256"), ("x-amz-checksum-sha1", "sha-1")] {
            if let text = headers.first(name: field) { add(name, text) }
        }
        if isWhole, let text = headers.first(name: "content-md5") { add("md5", text) }
        self.expected = expected
    }

    /// The first digest that the file does not have, by its name; nil if it has all. `read` passes the file's bytes on.
    func mismatch(
        sha256: [UInt8], read: (_ part: (UnsafeRawBufferPointer) -> Void) throws -> Void
    ) rethrows -> String? {
        for digest in expected {
            switch digest {
            case .sha256(let wanted): if wanted != sha256 { return "SHA-256" }
            case .sha512(let wanted): if try wanted != Self.hash(SHA512(), read) { return "SHA-512" }
            case .sha1(let wanted): if try wanted != Self.hash(Insecure.SHA1(), read) { return "SHA-1" }
            case .md5(let wanted): if try wanted != Self.hash(Insecure.MD5(), read) { return "MD5" }
            }
        }
        return nil
    }

    private static func hash(
        _ function: some HashFunction, _ read: (_ part: (UnsafeRawBufferPointer) -> Void) throws -> Void
    ) rethrows -> [UInt8] {
        var function = function
        try read { function.update(bufferPointer: $0) }
        return Array(function.finalize())
    }
}
