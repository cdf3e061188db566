/// A reply as it came over the wire.
package struct RawReply: Sendable {
    package let text: String
    package let status: Int
    /// By their names in small letters; the first of repeated ones.
    package let headers: [String: String]
    package let body: String

    package init(_ text: String) {
        self.text = text
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1)
        let lines = (parts.first ?? "").split(separator: "\r\n")
        status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        headers = Dictionary(
            lines.dropFirst().compactMap { line in
                line.firstIndex(of: ":").map { colon in
                    (line[..<colon].lowercased(), String(line[line.index(after: colon)...].drop { $0 == " " }))
                }
            }
        ) { first, _ in first }
        body = parts.count > 1 ? String(parts[1]) : ""
    }
}
