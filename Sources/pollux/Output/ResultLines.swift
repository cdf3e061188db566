import LocalAPIContract
import VerbatimJSON

/// What a task brought, for reading and copying.
struct ResultLines {
    let results: [TaskDocument.Result]

    /// Said of a task that has succeeded and names nothing.
    static let none = "none: the provider calls it done and names nothing to fetch"

    /// Addresses and ids stand alone on their line, so that a double click takes the whole; texts keep their lines.
    var lines: [String] { results.flatMap(lines(for:)) }

    private func lines(for result: TaskDocument.Result) -> [String] {
        guard result.kind == "data" else {
            let text = result.value.string ?? result.value.text
            return text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }
        }
        let size = result.sizeBytes.map { ", \($0) bytes" } ?? ""
        // Written so that jq takes it whatever the names are.
        let place = result.pointer.split(separator: "/").map { Int($0) == nil ? "[\"\($0)\"]" : "[\($0)]" }.joined()
        let way = "pollux show ID --response | jq -r '.\(place)' | base64 -d"
        return ["(\(result.mediaType ?? "data")\(size), in base64: \(way))".printable]
    }
}
