import FoundationEssentials
import VerbatimJSON

/// TextFile reads what people write with editors, some of which put a byte order mark in front.
enum TextFile {
    /// All of the file behind its mark; nil where it cannot be read.
    static func bytes(of path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { Array($0.withoutByteOrderMark) }
    }

    /// The same as text.
    static func text(of path: String) -> String? { bytes(of: path).map { String(decoding: $0, as: UTF8.self) } }
}
