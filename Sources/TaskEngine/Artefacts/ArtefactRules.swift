import ProviderCatalog
package import TaskModel
import Text

/// When a file is fetched again, until when, and under which name. Pure functions.
package enum ArtefactRules {
    /// The waiting times between attempts; the last one is repeated.
    private static let pauses: [Duration] = [0, 2, 4, 8, 30, 120, 600, 1_800].map { .seconds($0) }

    /// The longest time between two attempts, also where the server asks for more.
    static let longestPause = Duration.seconds(3_600)
    /// How often a URL that does not work is tried while the provider names no other. A fresh file may be late.
    static let attemptsAtDeadURL = 6
    /// How often a file is fetched that is not what it should be.
    static let attemptsAtUnfitFile = 5
    /// How long a file is tried to be fetched whose URL has no known end.
    static let patience = Duration.seconds(7 * 86_400)

    /// The pause after so many failed attempts.
    static func pause(after attempts: Int) -> Duration { pauses[min(max(attempts, 0), pauses.count - 1)] }

    /// When a URL stops working, by its query; nil if that names no time after `start`, as a span of seconds does.
    ///
    /// Presigned URLs of S3 (`X-Amz-Date` with `X-Amz-Expires`, `Expires`), Google (`X-Goog-…`) and Azure (`se`).
    package static func expiry(of url: String, after start: Timestamp) -> Timestamp? {
        expiry(of: url).flatMap { $0 > start ? $0 : nil }
    }

    private static func expiry(of url: String) -> Timestamp? {
        guard let mark = url.firstIndex(of: "?") else { return nil }
        var values: [String: String] = [:]
        for member in url[url.index(after: mark)...].prefix(while: { $0 != "#" }).split(separator: "&") {
            let parts = member.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[parts[0].lowercased()] = String(parts[1]).percentDecoded ?? String(parts[1]) }
        }
        for prefix in ["x-amz-", "x-goog-"] {
            if let date = values[prefix + "date"].flatMap(basicDate),
                let seconds = values[prefix + "expires"].flatMap({ Int64($0) }), (0...31_536_000).contains(seconds)
            {
                return date + .seconds(seconds)
            }
        }
        if let seconds = values["expires"].flatMap({ Int64($0) }), (0...4_102_444_800).contains(seconds) {
            return Timestamp(milliseconds: seconds * 1_000)
        }
        return values["se"].flatMap { Timestamp(rfc3339: $0) }
    }

    /// Reads `20261128T150000Z`.
    private static func basicDate(_ text: String) -> Timestamp? {
        let digits = Array(text)
        guard digits.count == 16, digits[8] == "T", digits[15] == "Z" else { return nil }
        func part(_ range: Range<Int>) -> String { String(digits[range]) }
        return Timestamp(
            rfc3339: "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z")
    }
}
