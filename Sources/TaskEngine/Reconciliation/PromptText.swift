import Foundation
import ProviderCatalog

/// A request text, normalized to compare it with a provider's rewritten echo.
///
/// Providers trim, truncate, escape, decorate texts and change their case. Two texts contradict each other only if
/// neither contains the other after both are reduced to letters and digits.
struct PromptText: Sendable, Hashable {
    /// Texts with fewer letters and digits cannot distinguish requests.
    static let shortest = 8
    /// An unbroken run of base64 characters of at least this length is data or a key.
    static let shortestBase64 = 32

    /// The possible readings of the text, as letters and digits.
    private let readings: Set<String>
    /// Whether the letters are uncertain, because of an unknown entity or a redacted secret.
    private let isAmbiguous: Bool
    /// The scripts of its letters.
    let scripts: Set<Script>

    init(_ text: String) {
        let unescaped = TextEscapes.decodingBackslashes(text)
        let entities = [text, unescaped].map(TextEscapes.decodingEntities)
        isAmbiguous = entities.contains { $0 == nil } || text.contains(SecretRedactor.mark)
        let candidates = [text, unescaped] + entities.compactMap(\.self)
        readings = Set((candidates + candidates.compactMap(\.removingPercentEncoding)).map(Self.reduce))
        scripts = Script.scripts(of: text)
    }

    /// The text if it can distinguish requests; nil for URLs, data and short texts.
    static func distinctive(_ text: String) -> PromptText? {
        guard !isAddressOrData(text), reduce(text).count >= shortest else { return nil }
        return PromptText(text)
    }

    /// Whether the texts belong to different requests, however the provider rewrote them.
    func contradicts(_ other: PromptText) -> Bool {
        guard !isAmbiguous, !other.isAmbiguous else { return false }
        return !readings.contains { mine in
            other.readings.contains { its in mine.contains(its) || its.contains(mine) }
        }
    }

    /// Letters and digits after compatibility normalization (NFKC) and case folding.
    private static func reduce(_ text: String) -> String {
        // Upper case first: full case folding makes "ß" and "SS" equal, as in Unicode's CaseFolding.txt.
        let folded = text.precomposedStringWithCompatibilityMapping.uppercased().lowercased()
        return String(folded.filter { $0.isLetter || $0.isNumber })
    }

    private static func isAddressOrData(_ text: String) -> Bool {
        let trimmed = text.drop { $0.isWhitespace }
        if trimmed.lowercased().hasPrefix("data:") { return true }
        if let scheme = trimmed.range(of: "://"), !trimmed[..<scheme.lowerBound].contains(where: \.isWhitespace) {
            return true
        }
        return trimmed.utf8.count >= shortestBase64 && trimmed.utf8.allSatisfy(isBase64)
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "-"),
            UInt8(ascii: "_"), UInt8(ascii: "="), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
            true
        default: false
        }
    }
}

/// A writing system. A provider that translates prompts echoes them in another script.
enum Script: Sendable, Hashable {
    case latin, greek, cyrillic, hebrew, arabic, indic, thai, hangul, kana, han
    case other(UInt32)

    /// The scripts of a text's letters. Digits and symbols have no script.
    static func scripts(of text: String) -> Set<Script> {
        Set(text.unicodeScalars.lazy.filter(\.properties.isAlphabetic).map(Script.init(of:)))
    }

    /// The blocks of https://www.unicode.org/Public/UCD/latest/ucd/Blocks.txt, by script. For other letters, each
    /// block of 128 counts as a script.
    private init(of scalar: Unicode.Scalar) {
        self =
            switch scalar.value {
            case 0x41...0x24F, 0x1E00...0x1EFF, 0x2C60...0x2C7F, 0xA720...0xA7FF, 0xFB00...0xFB06, 0xFF21...0xFF5A:
                .latin
            case 0x370...0x3FF, 0x1F00...0x1FFF: .greek
            case 0x400...0x52F, 0x1C80...0x1C8F, 0x2DE0...0x2DFF, 0xA640...0xA69F: .cyrillic
            case 0x590...0x5FF, 0xFB1D...0xFB4F: .hebrew
            case 0x600...0x6FF, 0x750...0x77F, 0x8A0...0x8FF, 0xFB50...0xFDFF, 0xFE70...0xFEFF: .arabic
            case 0x900...0xDFF: .indic
            case 0xE00...0xE7F: .thai
            case 0x1100...0x11FF, 0x3130...0x318F, 0xA960...0xA97F, 0xAC00...0xD7FF: .hangul
            case 0x3040...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9F: .kana
            case 0x2E80...0x2FDF, 0x3005...0x3007, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF,
                0x20000...0x3FFFF:
                .han
            default: .other(scalar.value >> 7)
            }
    }
}
