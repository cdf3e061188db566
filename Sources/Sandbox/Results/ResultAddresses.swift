import Foundation

/// The URLs of a task's files, all on the sandbox's own port.
extension SimulatedTask {
    /// Where its files are, as the client reaches the sandbox.
    var filesURL: String { origin + "/files" }

    /// The document with URLs that are valid at that time: each look-up gives new ones if they expire.
    func signed(_ document: JSONValue, at now: Date) -> JSONValue {
        guard let lifetime = resultLifetime else { return document }
        let stamp = ResultExpiry(from: now, for: lifetime).query
        return document.mapTexts { text in
            guard text.hasPrefix(filesURL + "/") else { return text }
            return text + (text.contains("?") ? "&" : "?") + stamp
        }
    }
}

/// Until when a URL is valid, in the query of a presigned URL (`X-Amz-Date`, `X-Amz-Expires`).
struct ResultExpiry: Equatable {
    let end: Date
    private let start: Date

    init(from start: Date, for lifetime: Duration) {
        self.start = start
        end = start + lifetime.inSeconds
    }

    /// Nil if the query names no expiry.
    init?(query: String?) {
        var values: [Substring: Substring] = [:]
        for member in (query ?? "").split(separator: "&") {
            let parts = member.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[parts[0]] = parts[1] }
        }
        guard let date = values["X-Amz-Date"], let start = try? Date(String(date), strategy: Self.style),
            let seconds = values["X-Amz-Expires"].flatMap({ Int($0) })
        else { return nil }
        self.init(from: start, for: .seconds(seconds))
    }

    var query: String {
        let seconds = Int(end.timeIntervalSince(start).rounded(.up))
        var random = SeededRandom(seed: UInt64(seconds), stream: start.formatted(Self.style))
        return "X-Amz-Date=\(start.formatted(Self.style))&X-Amz-Expires=\(seconds)"
            + "&X-Amz-Signature=\(random.hex(count: 64))"
    }

    /// Such as `20261128T150000Z`.
    private static let style = Date.ISO8601FormatStyle(dateSeparator: .omitted, timeSeparator: .omitted)
}

extension JSONValue {
    fileprivate func mapTexts(_ change: (String) -> String) -> JSONValue {
        switch self {
        case .null, .bool, .number: self
        case .string(let text): .string(change(text))
        case .array(let elements): .array(elements.map { $0.mapTexts(change) })
        case .object(let members):
            .object(
                members.map { member in
                    // The request is repeated as it came.
                    member.name == "request"
                        ? member : Member(name: member.name, value: member.value.mapTexts(change))
                })
        }
    }
}
