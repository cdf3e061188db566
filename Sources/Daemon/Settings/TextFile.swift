import FoundationEssentials
import VerbatimJSON

/// Reads text files and skips the byte order mark that some editors add.
enum TextFile {
    /// The contents without the byte order mark; nil if the file cannot be read.
    static func bytes(of path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { Array($0.withoutByteOrderMark) }
    }

    /// The contents as text.
    static func text(of path: String) -> String? { bytes(of: path).map { String(decoding: $0, as: UTF8.self) } }
}
