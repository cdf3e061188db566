/// Renders names and aligned values.
struct KeyValueList {
    private var rows: [(name: String, text: String, tint: Tint?)] = []

    /// Adds a line; one without a value is omitted.
    mutating func add(_ name: String, _ text: String?, _ tint: Tint? = nil) {
        guard let text, !text.isEmpty else { return }
        rows.append((name, text.printable, tint))
    }

    /// The lines, indented by two spaces. Long values are not cut, so that they can be copied.
    func lines(on terminal: Terminal) -> [String] {
        let width = rows.map(\.name.columns).max() ?? 0
        return rows.map { row in
            "  " + terminal.paint(row.name.padded(to: width), .faint) + "  " + terminal.paint(row.text, row.tint)
        }
    }
}
