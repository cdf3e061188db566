import VerbatimJSON

extension JSONValue {
    /// The document on one line, with DEL and the C1 controls escaped. JSON allows them raw, and terminals interpret
    /// some of them.
    var printableText: String { text.escapingControls }

    /// The same over several lines.
    var printablePrettyText: String { prettyText.escapingControls }
}

extension String {
    /// In JSON these characters only occur within strings, where the escape has the same meaning.
    fileprivate var escapingControls: String {
        guard unicodeScalars.contains(where: Self.isLateControl) else { return self }
        var escaped = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            if Self.isLateControl(scalar) {
                escaped.append(contentsOf: "\\u00\(String(scalar.value, radix: 16))".unicodeScalars)
            } else {
                escaped.append(scalar)
            }
        }
        return String(escaped)
    }

    private static func isLateControl(_ scalar: Unicode.Scalar) -> Bool { (0x7f...0x9f).contains(scalar.value) }
}
