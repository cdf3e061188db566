import LocalAPIContract
import VerbatimJSON

/// EndpointContent shows endpoints to a model: in detail if they are few.
struct EndpointContent: Sendable {
    /// More are shown by name only.
    private static let mostDetails = 12

    let endpoints: [EndpointDocument]

    var result: ToolResult {
        let isDetailed = endpoints.count <= Self.mostDetails
        let lines = endpoints.map { isDetailed ? Self.line(for: $0) : "\($0.name) (\($0.kind))" }
        let text =
            lines.isEmpty
            ? "No endpoint fits. Call `endpoints` without a query for all."
            : lines.joined(separator: "\n") + (isDetailed ? "" : "\nUse `query` for examples of requests.")
        return ToolResult(text, ["endpoints": .array(endpoints.map { Self.json(of: $0, isDetailed: isDetailed) })])
    }

    private static func seconds(of endpoint: EndpointDocument) -> Double? {
        endpoint.learned?.p50Seconds ?? endpoint.typicalSeconds
    }

    private static func line(for endpoint: EndpointDocument) -> String {
        let time = seconds(of: endpoint).map { ", typically \(DurationText.span($0))" } ?? ""
        let price = endpoint.price.map { ", \($0.words)" } ?? ""
        let example = endpoint.example.isNull ? "" : ". Example of `request`: \(endpoint.example.text)"
        let state = endpoint.state == "open" ? "" : ". Now \(endpoint.state): \(endpoint.reason ?? "")"
        return "\(endpoint.name) (\(endpoint.kind)\(time)\(price))\(state)\(example)"
    }

    private static func json(of endpoint: EndpointDocument, isDetailed: Bool) -> JSONValue {
        var json = JSONObject([("name", .string(endpoint.name)), ("kind", .string(endpoint.kind))])
        guard isDetailed else { return .object(json) }
        json["provider"] = .string(endpoint.provider)
        json["typical_seconds"] = seconds(of: endpoint).flatMap(JSONNumber.init).map { .number($0) }
        json["price"] = endpoint.price.map { .string($0.words) }
        json["state"] = .string(endpoint.state)
        json["reason"] = endpoint.reason.map { .string($0) }
        json["example"] = endpoint.example
        return .object(json)
    }
}
