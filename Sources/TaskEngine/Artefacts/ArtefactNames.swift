import TaskModel

/// ArtefactNames makes the names of files for people from a template, as in `{date}/{endpoint}/{id}-{n}`.
///
/// Every name contains the id of its task and the number of the result, so no two files have the same. Values of labels come
/// from programs, so characters that could mislead a person or a shell are left out.
package struct ArtefactNames: Sendable, Hashable {
    private enum Piece: Hashable {
        case text(String)
        case date, endpoint, service, operation, id, number
        case label(String)
    }

    /// The template as it was given.
    package let template: String
    /// The folders, then the file.
    private let parts: [[Piece]]

    package static let standard = ArtefactNames(parts: [[.date], [.endpoint], [.id, .text("-"), .number]])
    /// The template of ``standard``.
    package static let standardTemplate = "{date}/{endpoint}/{id}-{n}"

    /// The most bytes of a folder or a file, without its ending.
    private static let maxBytes = 120
    /// The most bytes of a folder or a file that are written in the template itself.
    private static let maxTextBytes = 40

    private init(parts: [[Piece]]) {
        template = Self.standardTemplate
        self.parts = parts
    }

    /// Nil unless the template consists of known places and plain text, with `{id}` and `{n}` in the name of the file.
    package init?(_ template: String) {
        var parts: [[Piece]] = []
        for part in template.split(separator: "/", omittingEmptySubsequences: false) {
            guard let pieces = Self.pieces(of: part), !pieces.isEmpty else { return nil }
            parts.append(pieces)
        }
        guard let file = parts.last, file.contains(.id), file.contains(.number), parts.count <= 8 else { return nil }
        self.template = template
        self.parts = parts
    }

    private static func pieces(of part: Substring) -> [Piece]? {
        var pieces: [Piece] = []
        var textBytes = 0
        var rest = part
        while let first = rest.first {
            if first == "{" {
                guard let end = rest.firstIndex(of: "}"),
                    let place = place(rest[rest.index(after: rest.startIndex)..<end])
                else { return nil }
                pieces.append(place)
                rest = rest[rest.index(after: end)...]
            } else {
                let text = rest.prefix { $0 != "{" }
                guard !text.contains("}"), clean(text) == text else { return nil }
                textBytes += text.utf8.count
                pieces.append(.text(String(text)))
                rest = rest.dropFirst(text.count)
            }
        }
        if case .text(let text)? = pieces.first, ".- ".contains(text.first ?? ".") { return nil }
        return textBytes <= maxTextBytes ? pieces : nil
    }

    private static func place(_ name: Substring) -> Piece? {
        switch name {
        case "date": .date
        case "endpoint": .endpoint
        case "service": .service
        case "operation": .operation
        case "id": .id
        case "n": .number
        case _ where name.hasPrefix("label.") && name.count > 6: .label(String(name.dropFirst(6)))
        default: nil
        }
    }

    /// The name of the file of a result, below the directory of the artefacts and without an ending.
    func name(of task: TrackedTask, ordinal: Int) -> String {
        (["by-task"] + parts.map { Self.name(of: $0, task, ordinal) }).joined(separator: "/")
    }

    private static func name(of pieces: [Piece], _ task: TrackedTask, _ ordinal: Int) -> String {
        // The id and the number are never cut.
        for limit in [maxBytes, 60, 40, 20, 10] {
            let text = pieces.map { piece -> String in
                switch piece {
                case .text(let text): return text
                case .date: return String((task.endedAt ?? task.createdAt).rfc3339.prefix(10))
                case .id: return task.id.text
                case .number: return String(ordinal + 1)
                case .endpoint: return clean(task.endpoint.text.replacing("/", with: "-")).prefix(bytes: limit)
                case .service: return clean(task.endpoint.service.text).prefix(bytes: limit)
                case .operation:
                    return clean(task.endpoint.operation.replacing("/", with: "-")).prefix(bytes: limit)
                case .label(let name): return clean(task.labels[name] ?? "").prefix(bytes: limit)
                }
            }.joined()
            let name = String(text.trimmingPrefix { ".- ".contains($0) })
            guard name.utf8.count > maxBytes else { return name.isEmpty ? "_" : name }
        }
        return "\(task.id)-\(ordinal + 1)"
    }

    /// The text without control characters, without such that change the direction or are invisible, and without separators
    /// of paths.
    private static func clean(_ text: some StringProtocol) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.filter { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                        false
                    default: !"/\\:*?\"<>|".unicodeScalars.contains(scalar)
                    }
                }))
    }
}

extension String {
    /// As many whole characters as fit into that many bytes.
    fileprivate func prefix(bytes: Int) -> String {
        var rest = bytes
        return String(
            prefix { character in
                rest -= character.utf8.count
                return rest >= 0
            })
    }
}
