import FoundationEssentials

extension [UInt8] {
    /// Base64 for URLs, without padding (RFC 4648, section 5).
    package var base64URL: String {
        Data(self).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Reads base64 in either alphabet, with padding or without (RFC 4648); nil for anything else, including an empty
    /// text.
    package init?(base64 text: String) {
        let letters = text.replacing("-", with: "+").replacing("_", with: "/")
        let unpadded = String(letters.reversed().drop { $0 == "=" }.reversed())
        guard !unpadded.isEmpty, unpadded.utf8.count % 4 != 1, letters.utf8.count - unpadded.utf8.count <= 2 else {
            return nil
        }
        let padding = String(repeating: "=", count: (4 - unpadded.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: unpadded + padding) else { return nil }
        self = Array(data)
    }

    /// Reads two hexadecimal digits per byte; nil for anything else, including an empty text.
    package init?(hex text: String) {
        let digits = text.utf8.compactMap(\.hexDigitValue)
        guard digits.count == text.utf8.count, digits.count % 2 == 0, !digits.isEmpty else { return nil }
        self = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

extension UInt8 {
    fileprivate var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
