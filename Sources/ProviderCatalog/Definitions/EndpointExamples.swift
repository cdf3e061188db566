package import TaskModel
package import VerbatimJSON

/// Example requests of a provider's endpoints, and the operations that are refused because they keep no record.
package struct EndpointExamples: Sendable {
    /// Operations that reply with the result and keep no record that could be polled.
    package private(set) var synchronous: Set<EndpointName> = []
    private(set) var requests: [EndpointName: JSONObject] = [:]

    /// Creates an empty collection.
    package init() {}

    /// Reads a file of examples. Messages use its name.
    package init(file: String, yaml: String) throws(CatalogError) {
        let fields = try DefinitionFields(file: file, yaml: yaml, allowed: ["synchronous", "examples"])
        if let services = try fields.fields("synchronous", allowed: nil) {
            for (service, _) in services.names {
                for operation in try services.texts(service) ?? [] {
                    synchronous.insert(try Self.name("\(service)/\(operation)", in: services, at: service))
                }
            }
        }
        guard let told = try fields.fields("examples", allowed: nil) else { return }
        for (text, _) in told.names {
            // An example that is not JSON is reported below, with its line.
            let example = try told.text(text).flatMap { try? JSONValue(parsing: $0).object }
            guard let example, !example.isEmpty else {
                throw told.error(text, "expected a request as a JSON object with at least one member")
            }
            requests[try Self.name(text, in: told, at: text)] = example
        }
    }

    /// A request that the endpoint accepts; nil if the file has none.
    package func example(of endpoint: EndpointName) -> JSONObject? { requests[endpoint] }

    private static func name(
        _ text: String, in fields: DefinitionFields, at field: String
    ) throws(CatalogError) -> EndpointName {
        guard let name = EndpointName(text) else { throw fields.error(field, "\"\(text)\" is not an endpoint name") }
        return name
    }
}
