extension String {
    /// The text on one line, without control characters.
    ///
    /// Messages and names come from providers and other programs, so an escape sequence must not reach the terminal.
    var printable: String {
        guard unicodeScalars.contains(where: Self.isControl) else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.map { Self.isControl($0) ? " " : $0 }))
    }

    /// The width in columns of a terminal.
    var columns: Int { reduce(0) { $0 + $1.columns } }

    /// The text cut to this many columns, with an ellipsis if it is cut.
    func truncated(to width: Int) -> String {
        guard columns > width else { return self }
        guard width > 0 else { return "" }
        var kept = ""
        var used = 0
        for character in self {
            used += character.columns
            guard used < width else { break }
            kept.append(character)
        }
        return kept + "…"
    }

    /// The text padded with spaces to this many columns.
    func padded(to width: Int, isRightAligned: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - columns))
        return isRightAligned ? space + self : self + space
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate: true
        // Direction marks can make one id look like another.
        case .format: (0x202a...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
        default: false
        }
    }
}

extension Character {
    /// 2 for characters that are wide by East Asian Width (UAX #11) and for emoji, else 1.
    fileprivate var columns: Int {
        guard let scalar = unicodeScalars.first, scalar.value >= 0x1100 else { return 1 }
        if scalar.properties.isEmojiPresentation { return 2 }
        let wide: [ClosedRange<UInt32>] = [
            0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
            0xff00...0xff60, 0xffe0...0xffe6, 0x20000...0x3fffd,
        ]
        return wide.contains { $0.contains(scalar.value) } ? 2 : 1
    }
}
